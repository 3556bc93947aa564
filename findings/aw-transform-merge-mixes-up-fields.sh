#!/usr/bin/env bash
# merge_events_by_keys takes the value of one field for the value of another when fields are missing.
#
# aw-core 0.5.18. The groups are named by the values that are there, without their keys. Merging by ["app", "title"],
# an event that has only the app "Mail" and one that has only the title "Mail" are one group, and the sum stands under
# the app. Events of several watchers in one list (window, editor, browser) have different keys, so this is valid input.
#
# Seen: "1 group: {'app': 'Mail'} 15.0 min".
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install aw-core==0.5.18 peewee==3.19.0 platformdirs==3.10.0
HOME="$work" XDG_CONFIG_HOME="$work" XDG_CACHE_HOME="$work" "$work/venv/bin/python" - <<'PY'
from datetime import datetime, timedelta, timezone

from aw_core.models import Event
from aw_transform import merge_events_by_keys

start = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
events = [
    Event(timestamp=start, duration=timedelta(minutes=10), data={"app": "Mail"}),
    Event(timestamp=start + timedelta(minutes=10), duration=timedelta(minutes=5), data={"title": "Mail"}),
]
merged = merge_events_by_keys(events, ["app", "title"])
minutes = merged[0].duration.total_seconds() / 60
print(f"{len(merged)} group: {merged[0].data} {minutes} min")
assert (len(merged), dict(merged[0].data), minutes) == (1, {"app": "Mail"}, 15.0)
PY
