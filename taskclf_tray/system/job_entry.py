"""The entry of a job's process: signal handlers first, then the imports of the job; and its end with its parent."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from importlib import import_module
from types import ModuleType
from typing import Final, NoReturn

from taskclf_tray.system.own_process import protect
from taskclf_tray.system.stop_signals import end_at_once, exit_code

ENDS_WITH_STDIN: Final = "--ends-with-stdin"
"""The argument after the request by which a parent says that it holds the other end of standard input."""
ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""A library's threads wait for each other, so on a busy machine two of them take twice as long as one."""
OPTIONAL_LIBRARIES: Final = ("lightgbm", "matplotlib", "pandas", "pyarrow", "scipy", "sklearn")
"""What only jobs load, and only an installation with the extra `train` or, for Parquet, `parquet` has."""
JOB_OPTION: Final = "--job"
"""The first argument of a bundled program that is to run a job: there is no Python beside it for `-m MODULE`."""
_JOBS: Final = "taskclf_tray.jobs."
_PARQUET: Final = frozenset({"pandas", "pyarrow"})
GRACE_SECONDS: Final = 5.0
"""How long a job that was asked to end may take to remove what is half written."""


def is_bundled() -> bool:
    """Whether the program runs from a bundle that PyInstaller made, with no Python beside it."""
    return bool(getattr(sys, "frozen", False))


def job_command(module: str) -> list[str]:
    """The words that start the job `module`; its request follows them."""
    if is_bundled():
        return [sys.executable, JOB_OPTION, module]
    return [sys.executable, "-P", "-m", module]  # -P: never import from the folder the person happens to be in


def install_step(library: str) -> str:
    """What to do where one of OPTIONAL_LIBRARIES is missing."""
    wanted = f"taskclf-tray[{'parquet' if library in _PARQUET else 'train'}]"
    if is_bundled():
        return f"This package leaves it out; the one for Python has it: pipx install '{wanted}'"
    return f"Install it with: pip install '{wanted}'"


def start_bundled() -> NoReturn:
    """Run the job of the arguments `--job MODULE REQUEST`. Jobs of this package only."""
    module = sys.argv.pop(2) if len(sys.argv) > 2 else ""
    del sys.argv[1]
    if not module.startswith(_JOBS):
        raise SystemExit(2)
    start(module)


def start(module: str) -> NoReturn:
    """Import `module` and run its `main([REQUEST])`; the process ends with its exit code.

    The first statement of a job's module: `if __name__ == "__main__": start(…)`, before its other imports.
    """
    end_at_once()
    protect()
    _stand_back(json.loads(sys.argv[1]).get("niceness", 0))
    for variable in ONE_THREAD:
        os.environ.setdefault(variable, "1")
    if sys.argv[2:] == [ENDS_WITH_STDIN]:
        threading.Thread(target=_end_with_stdin, name="parent-watch", daemon=True).start()
    raise SystemExit(_imported(module).main(sys.argv[1:2]))


def _stand_back(niceness: int) -> None:
    """Let other programs go first, from before the imports of the job on: they take seconds."""
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)


def _imported(module: str) -> ModuleType:
    """The module; without a library it needs, the process says so to its parent and ends."""
    try:
        return import_module(module)
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        if library not in OPTIONAL_LIBRARIES:
            raise
        title = f"This needs {library}, which is not installed."
        event = {"event": "error", "title": title, "next_step": install_step(library)}
        print(json.dumps(event), flush=True)  # noqa: T201 - the line that the parent reads
        raise SystemExit(1) from error


def _end_with_stdin() -> None:
    """Wait for the end of standard input: the parent asks for the end, or has died. Nothing is ever written to it."""
    while os.read(0, 1024):
        pass
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(exit_code(signal.SIGTERM))
