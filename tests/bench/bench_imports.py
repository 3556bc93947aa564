"""What it costs to import each room in a fresh process: `python -m tests.bench.bench_imports`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROOMS = {
    "python": "sys",
    "numpy": "numpy",
    "infer": "taskclf_tray.infer.forest",
    "store": "taskclf_tray.store.database",
    "notify": "taskclf_tray.notify.factory",
    "tray_libraries": "dbus_fast.aio, desktop_notifier, PIL.Image, requests",
}
REPEATS = 5
PROBE = """
import time; started = time.perf_counter()
import {modules}
seconds = time.perf_counter() - started
pages = int(open("/proc/self/statm").read().split()[1])
print(seconds * 1000, pages * 4096 / 2**20)
"""


def run() -> dict[str, object]:
    """Medians of milliseconds and resident MiB, interpreter included."""
    figures: dict[str, object] = {}
    for room, modules in ROOMS.items():
        samples = [_sample(modules) for _ in range(REPEATS)]
        figures[f"{room}_ms"] = round(statistics.median(sample[0] for sample in samples), 1)
        figures[f"{room}_mib"] = round(statistics.median(sample[1] for sample in samples), 1)
    return figures


def _sample(modules: str) -> tuple[float, float]:
    command = [sys.executable, "-c", PROBE.format(modules=modules)]
    milliseconds, mebibytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(milliseconds), float(mebibytes)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
