#!/usr/bin/env bash
# filter_period_intersect counts time twice when the periods it filters by overlap.
#
# aw-core 0.5.18. The usual query for "active window time" is filter_period_intersect(windows, not_afk). The away
# watcher does send the same not-afk period twice now and then, or two that overlap. Each copy yields its own piece of
# the window event, so a 10 minute window with 5 active minutes comes out as 10 minutes of activity. The filter periods
# have to be united first (period_union does it; the function itself does not).
#
# Seen: "one period: 5.0 min, the same period twice: 10.0 min, united first: 5.0 min".
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install aw-core==0.5.18 peewee==3.19.0 platformdirs==3.10.0
HOME="$work" XDG_CONFIG_HOME="$work" XDG_CACHE_HOME="$work" "$work/venv/bin/python" - <<'PY'
from datetime import datetime, timedelta, timezone

from aw_core.models import Event
from aw_transform import filter_period_intersect, period_union

start = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)


def period(minutes, **data):
    return Event(timestamp=start, duration=timedelta(minutes=minutes), data=data)


def active(filters):
    kept = filter_period_intersect([period(10, app="Code", title="a.py")], filters)
    return sum(event.duration.total_seconds() for event in kept) / 60


present = period(5, status="not-afk")
once, twice, united = active([present]), active([present, present]), active(period_union([present], [present]))
print(f"one period: {once} min, the same period twice: {twice} min, united first: {united} min")
assert (once, twice, united) == (5.0, 10.0, 5.0)
PY
