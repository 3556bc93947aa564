"""The app in a terminal, without a tray: as a status line or as JSON lines; and one catch-up run (`--once`)."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import threading
from typing import Any, TextIO

from taskclf_tray.app import record_text, text
from taskclf_tray.app.snapshot import Snapshot
from taskclf_tray.app.sources import SourceSwitch
from taskclf_tray.core.errors import ModelError
from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.record.guard import BlackoutOpenError
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.system.console import OutputError, as_shown, complain, degrade, give_up

log = logging.getLogger(__name__)

MAX_MESSAGE_CHARACTERS = 500
_CLEAR_LINE = "\r\x1b[K"


class JsonLines:
    """Prints a JSON line per finalised bucket, per revision, and per change of the live label; nothing else."""

    shows_messages = False

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._lock = threading.Lock()
        self._live: tuple[Any, ...] | None = None
        self.failure: OSError | None = None
        """Why nothing can be printed any more: the reader is gone, or its disk is full."""

    def on_message(self, message: tuple[str, str]) -> None:
        """Ignore it: messages are in the log."""

    def on_step(self, step: StepResult) -> None:
        """Print the buckets of a step; they are on disk."""
        for prediction in step.finalised:
            self._print("bucket", prediction)
        for prediction in step.revised:
            self._print("revised", prediction)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Print a line when the state or the label has changed."""
        seen = (snapshot.state, snapshot.ui_label, snapshot.core_label)
        if seen == self._live:
            return
        self._live = seen
        self._write(
            {
                "event": "live",
                "state": snapshot.state.value,
                "ui_label": snapshot.ui_label,
                "core_label": snapshot.core_label,
                "confidence": None if snapshot.probability is None else round(snapshot.probability, 6),
                "since": None if snapshot.since is None else snapshot.since.isoformat(),
                "simulated": snapshot.banner is not None,
            }
        )

    def _print(self, event: str, prediction: WindowPrediction) -> None:
        self._write({"event": event, **prediction.to_dict()})

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            if self.failure is not None:
                return
            try:
                self._out.write(json.dumps(line) + "\n")  # ASCII: whatever the terminal's encoding
                self._out.flush()
            except OSError as error:
                self.failure = error


class StatusLine:
    """Shows one line that is rewritten in a terminal; a line per change where output goes elsewhere."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        degrade(self._out)
        self._is_terminal = self._out.isatty()
        self.shows_messages = self._is_terminal
        self._shown = ""
        self._banner: str | None = None
        self.failure: OSError | None = None
        """As in JsonLines."""

    def on_step(self, step: StepResult) -> None:
        """Ignore it: the status line shows the newest snapshot only."""

    def on_message(self, message: tuple[str, str]) -> None:
        """Print the text of a notification above the status line."""
        title, body = (plain_text(part, MAX_MESSAGE_CHARACTERS).rstrip(".") for part in message)
        told = title if not body else f"{title} {body}." if title.endswith("?") else f"{title}: {body}."
        self._write(f"{_CLEAR_LINE if self._is_terminal else ''}{told}\n")
        if self._is_terminal:
            self._draw()

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Show the status sentence when it has changed."""
        if snapshot.banner is not None and snapshot.banner != self._banner:
            self._write(f"{_CLEAR_LINE if self._is_terminal else ''}*** {snapshot.banner} ***\n")
        self._banner = snapshot.banner
        if snapshot.line == self._shown:
            return
        self._shown = snapshot.line
        self._draw()

    def finish(self) -> None:
        """Move the cursor to a new line."""
        if self._is_terminal:
            self._write("\n")

    def _draw(self) -> None:
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be rewritten
            self._write(f"{_CLEAR_LINE}{as_shown(f'● {self._shown}', self._out)[:width]}")
        else:
            self._write(f"{self._shown}\n")

    def _write(self, words: str) -> None:
        if self.failure is not None:
            return
        try:
            self._out.write(words)
            self._out.flush()
        except OSError as error:
            self.failure = error


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
            answer(record_text.once_done(count, session.out_dir, is_dark=is_dark))
        if lines is not None and lines.failure is not None:
            raise OutputError(lines.failure, is_done=True)
        return 0
    finally:
        session.close()


def answer(sentence: str) -> None:
    """Print the answer; everything is written by now. Raises OutputError."""
    try:
        print(sentence, flush=True)  # noqa: T201 - the answer of a command
    except OSError as error:
        give_up(sys.stdout)
        raise OutputError(error, is_done=True) from error
