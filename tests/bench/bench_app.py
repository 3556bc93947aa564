"""The program as a person meets it, from outside: start, first label, memory and CPU of an hour, short commands.

`python -m tests.bench.bench_app` prints JSON. Nothing of the application is imported, so that the same file measures
any other build that comes first on PYTHONPATH: tests/bench/compare.py.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

STARTS = 5
MODULE = [sys.executable, "-m", "taskclf_tray"]
HOUR = ["demo", "--headless", "--json", "--speed", "240"]
COMMANDS = {"version": ["--version"], "labels_now": ["labels", "now"], "policy_show": ["policy", "show"]}


def run() -> dict[str, float]:
    """Medians: ms of commands, s from start to the first label, MiB and s of CPU of an hour of simulated time."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TZ": "Etc/GMT", "HOME": folder, "TASKCLF_HOME": f"{folder}/home"}
        figures = dict(_hour(environment))
        figures["first_label_s"] = round(statistics.median(_first_label(environment) for _ in range(STARTS)), 2)
        for name, words in COMMANDS.items():
            milliseconds = (_seconds_of(words, environment) * 1000 for _ in range(STARTS))
            figures[f"{name}_ms"] = round(statistics.median(milliseconds), 1)
        return figures


def _seconds_of(words: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([*MODULE, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def _first_label(environment: dict[str, str]) -> float:
    """Seconds from the start of the process to its first live label, with nothing to catch up."""
    began = time.perf_counter()
    with subprocess.Popen([*MODULE, *HOUR], env=environment, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        for line in app.stdout:
            if json.loads(line)["event"] == "live":
                seconds = time.perf_counter() - began
                app.terminate()
                app.stdout.read()
                return seconds
    raise RuntimeError("the application ended without a label")


def _hour(environment: dict[str, str]) -> dict[str, float]:
    """What the process holds and has used when an hour of simulated time has passed since its first label."""
    with subprocess.Popen([*MODULE, *HOUR], env=environment, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        ends: datetime | None = None
        for line in app.stdout:
            event = json.loads(line)
            if event["event"] == "live" and ends is None:
                ends = datetime.fromisoformat(event["since"]).replace(hour=10, minute=30)
            if event["event"] == "bucket" and ends and datetime.fromisoformat(event["bucket_start_ts"]) >= ends:
                figures = _of_process(app.pid)
                app.terminate()
                app.stdout.read()
                return figures
    raise RuntimeError(f"the application ended before {timedelta(hours=1)} had passed")


def _of_process(pid: int) -> dict[str, float]:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    ticks = sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return {
        "headless_hour_mib": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
        "headless_hour_cpu_s": round(ticks / os.sysconf("SC_CLK_TCK"), 2),
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
