#!/usr/bin/env bash
# After a clock that was ahead is put right, heartbeats replace the events recorded ahead of it, one by one.
#
# aw-server 0.12.0, aw-core 0.5.18, default storage. A heartbeat that continues the event before it replaces "the last
# event" of the bucket, and the last one is taken by time stamp, not by order of writing. With events that lie in the
# future this is never the event that was continued: each further heartbeat destroys one of the future events and leaves
# a copy of the present one, with a growing duration, in its place.
#
# Seen: three events of 14:00 to 14:02, then six heartbeats of one app at 12:00, five seconds apart:
# before: A B C of 55 s each; after: four copies of D from 12:00:00, of 5, 10, 15 and 25 s, and A, B and C are gone.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install \
  aw-server==0.12.0 aw-core==0.5.18 aw-client==0.5.15 peewee==3.19.0 flask==2.2.5
export HOME="$work" XDG_DATA_HOME="$work/data" XDG_CONFIG_HOME="$work/config" XDG_CACHE_HOME="$work/cache"
"$work/venv/bin/python" - 2>/dev/null <<'PY'
from datetime import datetime, timezone

from aw_core.models import Event
from aw_datastore import Datastore, get_storage_methods
from aw_server.api import ServerAPI

store = Datastore(get_storage_methods()["peewee"], testing=True)
api = ServerAPI(db=store, testing=True)
api.create_bucket("b", event_type="currentwindow", client="c", hostname="h")


def beat(hour, minute, second, app):
    moment = datetime(2026, 3, 2, hour, minute, second, tzinfo=timezone.utc)
    api.heartbeat("b", Event(timestamp=moment, duration=0, data={"app": app}), pulsetime=10)


def kept():
    events = sorted(store["b"].get(limit=-1), key=lambda e: (e.timestamp, e.duration))
    return [(e.data["app"], e.timestamp.strftime("%H:%M"), e.duration.total_seconds()) for e in events]


for minute, app in enumerate("ABC"):
    for second in range(0, 60, 5):
        beat(14, minute, second, app)
before = kept()
for second in range(0, 30, 5):
    beat(12, 0, second, "D")
after = kept()
print("before:", before)
print("after:", after)
assert before == [("A", "14:00", 55.0), ("B", "14:01", 55.0), ("C", "14:02", 55.0)]
assert after == [("D", "12:00", 5.0), ("D", "12:00", 10.0), ("D", "12:00", 15.0), ("D", "12:00", 25.0)]
PY
