#!/usr/bin/env bash
# ActivityWatch's query language loses an argument after a nested call.
#
# aw-core 0.5.18, aw_query.query2. When the first argument of a function is itself a call and two or more arguments
# follow, the second one disappears: filter_keyvals(query_bucket("b"), "app", ["Code"]) does not work, while the same
# query with the nested call put in a variable first does. The parser drops the comma behind the nested call and then
# skips to the next comma. Calls with only one argument behind the nested call are not affected, which hides it.
#
# Seen: "nested: QueryFunctionException | variable: 1 | two arguments, nested: 1".
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install aw-core==0.5.18 peewee==3.19.0 platformdirs==3.10.0
HOME="$work" XDG_DATA_HOME="$work" XDG_CONFIG_HOME="$work" XDG_CACHE_HOME="$work" "$work/venv/bin/python" - <<'PY'
from datetime import datetime, timedelta, timezone

from aw_core.models import Event
from aw_datastore import Datastore, get_storage_methods
from aw_query import query

start = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
store = Datastore(get_storage_methods()["memory"], testing=True)
store.create_bucket("b", type="currentwindow", client="c", hostname="h", created=start)
for minute, app in enumerate(("Code", "Mail")):
    store["b"].insert(Event(timestamp=start + timedelta(minutes=minute), duration=60, data={"app": app}))


def ask(text):
    try:
        return len(query("name", text, start, start + timedelta(hours=1), store))
    except Exception as error:
        return type(error).__name__


nested = ask('RETURN = filter_keyvals(query_bucket("b"), "app", ["Code"]);')
variable = ask('events = query_bucket("b"); RETURN = filter_keyvals(events, "app", ["Code"]);')
two = ask('RETURN = limit_events(query_bucket("b"), 1);')
print("nested:", nested, "| variable:", variable, "| two arguments, nested:", two)
assert isinstance(nested, str), "the nested call works now"
assert variable == 1
assert two == 1
PY
