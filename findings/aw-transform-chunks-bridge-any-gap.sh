#!/usr/bin/env bash
# chunk_events_by_key joins events over any gap, and stops at the first event without the key.
#
# aw-core 0.5.18. The function has a pulsetime (5 s by default), but compares each event with the end of the LAST event
# of its input instead of the end of the chunk before, so the gap it sees is negative and never too long: two events of
# one app, eight hours apart, become one chunk. And at the first event that lacks the key the loop ends: everything
# after it is missing from the answer.
#
# Seen: "8 h apart: 1 chunk of 20.0 min", "chunks with one event lacking the key: 1 of 3 events".
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install aw-core==0.5.18 peewee==3.19.0 platformdirs==3.10.0
HOME="$work" XDG_CONFIG_HOME="$work" XDG_CACHE_HOME="$work" "$work/venv/bin/python" - <<'PY'
from datetime import datetime, timedelta, timezone

from aw_core.models import Event
from aw_transform import chunk_events_by_key

start = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)


def event(minute, **data):
    return Event(timestamp=start + timedelta(minutes=minute), duration=timedelta(minutes=10), data=data)


apart = chunk_events_by_key([event(0, app="Code"), event(480, app="Code")], "app", pulsetime=5.0)
minutes = apart[0].duration.total_seconds() / 60
print(f"8 h apart: {len(apart)} chunk of {minutes} min")
lacking = chunk_events_by_key([event(0, app="Code"), event(10, title="no app"), event(20, app="Mail")], "app")
print(f"chunks with one event lacking the key: {len(lacking)} of 3 events")
assert (len(apart), minutes) == (1, 20.0)
assert [chunk.data["app"] for chunk in lacking] == ["Code"]
PY
