"""Runs the whole suite as CI does: on all cores, then alone what measures time or memory, with one coverage floor."""

from __future__ import annotations

import os
import subprocess
import sys

COVERAGE_FLOOR_PERCENT = 80
NO_TESTS = 5
COVERAGE = ["--cov", "--cov-report="]
WORKERS = str((os.cpu_count() or 2) + 1)  # a good part of every end-to-end test is waiting
IN_ORDER = "--no-loadscope-reorder"  # else the files of one long test come last, and one core waits for the other
SHARED = ["--numprocesses", WORKERS, "--dist", "loadfile", IN_ORDER, "-m", "not alone"]
ALONE = ["--cov-append", "-m", "alone"]


def main() -> int:
    """0 when every test passed and the floor holds; else the first failure's code, after both runs."""
    shared = pytest(*SHARED, "--durations", "15")
    alone = pytest(*ALONE)
    if shared or alone not in (0, NO_TESTS):
        return shared or alone
    floor = f"--fail-under={COVERAGE_FLOOR_PERCENT}"
    return subprocess.run([sys.executable, "-m", "coverage", "report", floor], check=False).returncode


def pytest(*arguments: str) -> int:
    """One run of pytest; warnings are errors and skips are failures by configuration, see tests/conftest.py."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", *COVERAGE, *arguments, *sys.argv[1:]], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
