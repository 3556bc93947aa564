"""Where the command `taskclf-tray` begins, and `python -m taskclf_tray`: handlers of stop signals before any import."""

from __future__ import annotations


def main() -> int:
    """Run the command of `sys.argv`; returns its exit code."""
    _handle_stop_signals()
    from taskclf_tray.cli.main import main as run_command

    return run_command()


def main_windowed() -> int:
    """The entry without a console."""
    _handle_stop_signals()
    from taskclf_tray.cli.main import main_windowed as run_windowed

    return run_windowed()


def _handle_stop_signals() -> None:
    try:
        from taskclf_tray.system.stop_signals import end_at_once

        end_at_once()
        from taskclf_tray.system.own_process import protect

        protect()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    raise SystemExit(main())
