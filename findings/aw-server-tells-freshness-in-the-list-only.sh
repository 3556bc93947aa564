#!/usr/bin/env bash
# The list of buckets says when each was last written to; the page of one bucket does not.
#
# aw-server 0.12.0. GET buckets/ has `last_updated` for every bucket with events, GET buckets/ID of the same bucket has
# no such key. A client that watches one bucket to see whether its watcher is alive has to list all of them, which is
# the expensive call, or ask for the newest event.
#
# Seen: "list: 2026-03-02T10:01:00+00:00, one bucket: no last_updated".
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
call("buckets/b/events", [{"timestamp": "2026-03-02T10:00:00Z", "duration": 60, "data": {"app": "A"}}])
listed, single = call("buckets/")["b"].get("last_updated"), call("buckets/b")
print(f"list: {listed}, one bucket:", single.get("last_updated", "no last_updated"))
assert listed == "2026-03-02T10:01:00+00:00"
assert "last_updated" not in single
PY
