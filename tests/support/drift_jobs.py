"""Drift jobs of a test's making: `python -m tests.support.drift_jobs REQUEST`; the home has a file that says how."""

from __future__ import annotations

if __name__ == "__main__":
    from taskclf_tray.system.job_entry import start

    start("tests.support.drift_jobs")

import json
import os
import signal
import time
from pathlib import Path


def main(arguments: list[str]) -> int:
    """As the file `way` in the home says; each start is noted beside it.

    `answer`: what was put into `report.json` and `blocks.json`; `gate`: the same, once there is a file `go`.
    """
    home = Path(json.loads(arguments[0])["home"])
    with (home / "started").open("a") as file:
        file.write(f"{os.getpid()}\n")
    way = (home / "way").read_text()
    if way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "slow":
        time.sleep(600)
    if way == "refused":
        print(json.dumps({"event": "error", "title": "It is no use.", "next_step": "Do something else."}))
        return 1
    while way == "gate" and not (home / "go").exists():
        time.sleep(0.01)
    blocks = home / "blocks.json"
    found = json.loads(blocks.read_text()) if blocks.exists() else []
    print(json.dumps({"event": "done", "report": str(home / "report.json"), "blocks": found}))
    return 0
