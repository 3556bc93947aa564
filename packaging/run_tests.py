"""Every check of `make check`: format, lint, the import rule and types, beside the whole suite with one coverage floor.

The static checks run beside the tests, many of which wait for something. What measures time runs last and alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

COVERAGE_FLOOR_PERCENT = 80
NO_TESTS = 5
WORKERS = str((os.cpu_count() or 2) + 2)  # a good part of every end-to-end test is waiting
IN_ORDER = "--no-loadscope-reorder"  # in the order of tests/run_order.py: else long files come last, with idle cores
SHARED = ["--cov", "--cov-report=", "--numprocesses", WORKERS, "--dist", "loadfile", IN_ORDER, "-m", "not alone"]
STATIC_CHECKS = (
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["lint-imports", "--no-logo"],
    ["mypy"],
)
MEMORY_FOLDER = Path("/dev/shm")
MEMORY_FOLDER_GIB = 4


class StaticChecks(threading.Thread):
    """Runs the static checks one after the other, all of them; shows what each printed when it has ended."""

    def __init__(self) -> None:
        super().__init__(name="static-checks")
        self.code = 0

    def run(self) -> None:
        """The thread."""
        scripts = Path(sysconfig.get_path("scripts"))
        for words in STATIC_CHECKS:
            command = [str(scripts / words[0]), *words[1:]]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            print(f"\n{' '.join(words)}\n{done.stdout}", end="", flush=True)
            self.code = self.code or done.returncode


def main() -> int:
    """0 when every check and test passed and the floor holds; else the first failure's code, after all of them."""
    checks = StaticChecks()
    checks.start()
    compile_tests()
    shared = pytest(*SHARED, "--durations", "15")
    checks.join()
    alone = pytest("-m", "alone", *files_of_alone())
    if checks.code or shared or alone not in (0, NO_TESTS):
        return checks.code or shared or alone
    floor = f"--fail-under={COVERAGE_FLOOR_PERCENT}"
    return subprocess.run([sys.executable, "-m", "coverage", "report", floor], check=False).returncode


def pytest(*arguments: str) -> int:
    """One run of pytest; warnings are errors and skips are failures by configuration, see tests/conftest.py."""
    command = [sys.executable, "-m", "pytest", *arguments, *sys.argv[1:]]
    environment = {**temporary_root(), **os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would compile the application each
    return subprocess.run(command, env=environment, check=False).returncode


def compile_tests() -> None:
    """Write the byte code of all test files once; else each worker on a fresh clone compiles all of them itself."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *sys.argv[1:]]
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def files_of_alone() -> list[str]:
    """The few files that have such tests: to look through all of them takes longer than the tests."""
    found = (path for path in Path("tests").rglob("test_*.py") if "mark.alone" in path.read_text(encoding="utf-8"))
    return [] if sys.argv[1:] else sorted(map(str, found))


def temporary_root() -> dict[str, str]:
    """Where the tests keep their files: in memory where there is room, for a disk makes every commit wait."""
    if not MEMORY_FOLDER.is_dir() or not os.access(MEMORY_FOLDER, os.W_OK):
        return {}
    folder = os.statvfs(MEMORY_FOLDER)
    free_kib = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    room_gib = min(folder.f_bavail * folder.f_frsize >> 30, int(free_kib[1]) >> 21 if free_kib else 0)
    has_no_scripts = folder.f_flag & os.ST_NOEXEC  # some tests write programs and run them
    return {} if has_no_scripts or room_gib < MEMORY_FOLDER_GIB else {"PYTEST_DEBUG_TEMPROOT": str(MEMORY_FOLDER)}


if __name__ == "__main__":
    sys.exit(main())
