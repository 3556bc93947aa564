#!/usr/bin/env bash
# Whether an event that ends where a request begins is returned depends on how the time is written.
#
# aw-server 0.12.0 with its default storage (aw-core 0.5.18). Times are compared as text in SQL, and a time without a
# fraction is a shorter text. An event that ends exactly at `start` comes back, with duration 0, when `start` is a whole
# second, and does not when it has a fraction. At the other edge `end` is rounded up by a millisecond, so the event that
# begins exactly at `end` comes back with duration 0.001. Adding up consecutive windows counts such events more than once.
#
# Seen: "whole second: [0.0], with a fraction: [], at the end: [0.001]".
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
call("buckets/b/events", [{"timestamp": "2026-03-02T10:00:00Z", "duration": 60, "data": {"n": 1}}])
call("buckets/b/events", [{"timestamp": "2026-03-02T11:00:00.500Z", "duration": 60, "data": {"n": 2}}])


def lengths(start, end):
    return [event["duration"] for event in call("buckets/b/events", start=start, end=end)]


whole = lengths("2026-03-02T10:01:00Z", "2026-03-02T10:02:00Z")
fraction = lengths("2026-03-02T11:01:00.500Z", "2026-03-02T11:02:00Z")
at_end = lengths("2026-03-02T09:59:00Z", "2026-03-02T10:00:00Z")
print(f"whole second: {whole}, with a fraction: {fraction}, at the end: {at_end}")
assert (whole, fraction, at_end) == ([0.0], [], [0.001])
PY
