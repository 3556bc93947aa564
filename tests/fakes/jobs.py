"""Jobs for tests of the process that runs them: `python -m tests.fakes.jobs '{"way": …}'`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time


def main(way: str) -> int:
    """What `way` says; the first line names the process."""
    print(json.dumps({"event": "started", "pid": os.getpid()}), flush=True)
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
    print("5\n[]\nnoise")
    print(json.dumps({"event": "done", "answer": 42}))
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])["way"]))
