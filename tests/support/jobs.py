"""Jobs for tests of the process that runs them: `python -m tests.support.jobs '{"way": …}'`."""

from __future__ import annotations

if __name__ == "__main__":
    from taskclf_tray.system.job_entry import start

    start("tests.support.jobs")

import json
import os
import signal
import time
from pathlib import Path

from taskclf_tray.jobs.process import serve


def main(arguments: list[str]) -> int:
    """What `way` says; the first line names the process."""
    way = json.loads(arguments[0])["way"]
    print(json.dumps({"event": "started", "pid": os.getpid()}), flush=True)
    if way == "served":
        return serve(
            lambda _request, say: {"lines": [say({"event": "step"}) for _ in range(10_000)]}, arguments, what=""
        )
    if way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "silent":
        return 3
    if way == "torn":
        print('{"event": "progr', flush=True)
        return 0
    if way == "slow":
        time.sleep(600)
    if way == "refused":
        print(json.dumps({"event": "error", "title": "It is no use.", "next_step": "Do something else."}))
        return 1
    if way == "echo":
        answer = {"event": "done", "folder": str(Path.cwd()), "request": json.loads(arguments[0])}
        print(json.dumps(answer))
        return 0
    print("5\n[]\nnoise")
    print(json.dumps({"event": "done", "answer": 42}))
    return 0
