#!/usr/bin/env bash
# The same call of flood gives different times in aw-core 0.5.17 and 0.5.18.
#
# flood closes the short holes that polling leaves between window events. Up to 0.5.17 a hole between two different
# windows went to the earlier one; 0.5.18 cuts it in the middle. Two computers with one export, or one computer before
# and after an update, show different minutes for each program, though only the last digit of the version changed.
#
# Seen, for 60 s of A, a hole of 3 s and 60 s of B: "A 63.0 s B 60.0 s" with 0.5.17, "A 61.5 s B 61.5 s" with 0.5.18.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
for version in 0.5.17 0.5.18; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" --quiet --disable-pip-version-check install "aw-core==$version" peewee==3.19.0 platformdirs==3.10.0
  HOME="$work" XDG_CONFIG_HOME="$work" XDG_CACHE_HOME="$work" "$work/$version/bin/python" - <<'PY' > "$work/$version.txt"
from datetime import datetime, timedelta, timezone

from aw_core.models import Event
from aw_transform import flood

start = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
events = [
    Event(timestamp=start, duration=60, data={"app": "A"}),
    Event(timestamp=start + timedelta(seconds=63), duration=60, data={"app": "B"}),
]
print(*(f"{e.data['app']} {e.duration.total_seconds()} s" for e in sorted(flood(events, 5), key=lambda e: e.timestamp)))
PY
  echo "aw-core $version: $(cat "$work/$version.txt")"
done
test "$(cat "$work/0.5.17.txt")" = "A 63.0 s B 60.0 s"
test "$(cat "$work/0.5.18.txt")" = "A 61.5 s B 61.5 s"
