#!/usr/bin/env bash
# A request for an hour does not return an event that is longer than a day and covers that hour.
#
# aw-server 0.12.0 with its default storage (aw-core 0.5.18). Events are looked for by their start, at most 24 h before
# the requested window. An event of 30 h (a session left open over a weekend, an imported history, a day-long "afk")
# is in the answer for its 13th hour and missing in the answer for its 26th, so a reader that asks day by day sees it
# end after 24 h, while the export has it whole.
#
# Seen: "hour 13: 1 event, hour 26: 0 events, export: 30.0 h".
set -euo pipefail
work=$(mktemp -d)
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install \
  aw-server==0.12.0 aw-core==0.5.18 aw-client==0.5.15 peewee==3.19.0 flask==2.2.5
export HOME="$work" XDG_DATA_HOME="$work/data" XDG_CONFIG_HOME="$work/config" XDG_CACHE_HOME="$work/cache"
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$work/venv/bin/python" -m aw_server --host 127.0.0.1 --port "$port" --testing >"$work/log" 2>&1 &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true; rm -rf "$work"' EXIT
PORT=$port "$work/venv/bin/python" - <<'PY'
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

base = f"http://127.0.0.1:{os.environ['PORT']}/api/0/"


def call(path, body=None, **query):
    url = base + path + ("?" + urllib.parse.urlencode(query) if query else "")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


for _ in range(200):
    try:
        call("info")
        break
    except OSError:
        time.sleep(0.1)
call("buckets/b", {"client": "c", "type": "currentwindow", "hostname": "h"})
call("buckets/b/events", [{"timestamp": "2026-03-02T00:00:00Z", "duration": 30 * 3600, "data": {"app": "A"}}])
middle = call("buckets/b/events", start="2026-03-02T12:00:00Z", end="2026-03-02T13:00:00Z")
late = call("buckets/b/events", start="2026-03-03T01:00:00Z", end="2026-03-03T02:00:00Z")
hours = call("buckets/b/export")["buckets"]["b"]["events"][0]["duration"] / 3600
print(f"hour 13: {len(middle)} event, hour 26: {len(late)} events, export: {hours} h")
assert (len(middle), len(late), hours) == (1, 0, 30.0)
PY
