"""One catch-up run: finalise what is due, write the outputs, end."""

from __future__ import annotations

import logging
import sys

from taskclf_tray.app import text
from taskclf_tray.app.sources import SourceSwitch
from taskclf_tray.core.errors import ModelError
from taskclf_tray.record.guard import BlackoutOpenError
from taskclf_tray.system.console import OutputError, complain, give_up
from taskclf_tray.ui.headless import JsonLines

log = logging.getLogger(__name__)


def run_once(switch: SourceSwitch, *, is_json: bool) -> int:
    """Catch up with the source and write predictions, segments, reports and telemetry; exit code 0.

    Everything that has ended counts as settled; a later revision changes the record only. Raises TaskclfError.
    """
    session = switch.open_session(lambda: None)
    try:
        for title, body in session.messages:
            told = text.as_line(title, body)
            log.warning("%s", told)
            complain(told)  # standard output is the answer
        recorder = session.recorder
        if recorder is None:
            raise ModelError("No model can be served.", session.serving.problem or "")
        lines = JsonLines() if is_json else None
        count, is_dark = 0, False
        now = session.now()
        try:
            while True:
                step = recorder.step(now, settle_all=True)
                count += len(step.finalised)
                if lines is not None:
                    lines.on_step(step)
                if step.is_caught_up:
                    break
            for title, body in session.clock.give_back():
                complain(text.as_line(title, body))
        except BlackoutOpenError:
            is_dark = True
        for title, body in session.copy_labels(is_last=True):
            complain(text.as_line(title, body))
        session.write_outputs(is_caught_up=not is_dark, is_last=True, max_days=sys.maxsize)
        if not is_json:
            answer(text.once_done(count, session.out_dir, is_dark=is_dark))
        if lines is not None and lines.failure is not None:
            raise OutputError(lines.failure, is_done=True)
        return 0
    finally:
        session.close()


def answer(sentence: str) -> None:
    """Print it. Raises OutputError: by now everything is written."""
    try:
        print(sentence, flush=True)  # noqa: T201 - the answer of a command
    except OSError as error:
        give_up(sys.stdout)
        raise OutputError(error, is_done=True) from error
