"""Where the command `taskclf-tray` begins, and `python -m taskclf_tray`: handlers of stop signals before any import."""

from __future__ import annotations

import sys
from types import ModuleType


def main() -> int:
    """Run the command of `sys.argv`; returns its exit code."""
    return int(_command_line().main())


def main_windowed() -> int:
    """The entry without a console."""
    return int(_command_line().main_windowed())


def _command_line() -> ModuleType:
    """Handle stop signals, then import the rest: importing takes a second on a busy machine, and Ctrl-C may come.

    In a bundle `--job MODULE REQUEST` runs a job: there is no Python beside it for `-m MODULE`.
    """
    try:
        if getattr(sys, "frozen", False) and sys.argv[1:2] == ["--job"]:
            from taskclf_tray.system.job_entry import start_bundled

            start_bundled()
        from taskclf_tray.system.stop_signals import end_at_once

        end_at_once()
        from taskclf_tray.system.own_process import protect

        protect()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    from taskclf_tray.cli import main as command_line

    return command_line


if __name__ == "__main__":
    raise SystemExit(main())
