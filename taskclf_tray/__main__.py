"""Where the command `taskclf-tray` begins, and `python -m taskclf_tray`: handlers of stop signals before any import."""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> int:
    """Run the command of `arguments`, by default those of the process; returns its exit code."""
    try:
        from taskclf_tray.system.stop_signals import end_at_once

        end_at_once()
    except KeyboardInterrupt:
        return 130
    from taskclf_tray.cli.main import main as run_command

    return run_command(arguments)


def main_windowed() -> int:
    """The entry without a console."""
    return main(["run"])


if __name__ == "__main__":
    raise SystemExit(main())
