"""Without a tray: the same app in a terminal, as a status line or as JSON lines."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any, TextIO

from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.ui.recorder import Step
from taskclf_tray.ui.snapshot import Snapshot

_CLEAR_LINE = "\r\x1b[K"


class JsonLines:
    """A JSON line per finalised bucket, per revision, and per change of the live label; nothing else on stdout."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._lock = threading.Lock()
        self._live: tuple[Any, ...] | None = None

    def on_step(self, step: Step) -> None:
        """After the commit: what is printed is on disk."""
        for prediction in step.finalised:
            self._print("bucket", prediction)
        for prediction in step.revised:
            self._print("revised", prediction)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Only what a reader acts on: the state and the label."""
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
            self._out.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._out.flush()


class StatusLine:
    """One line that is rewritten in a terminal; a line per change where output goes elsewhere."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._is_terminal = self._out.isatty()
        self._shown = ""
        self._banner: str | None = None

    def on_step(self, step: Step) -> None:
        """The status line shows the newest snapshot only."""

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Show it, when its sentence has changed."""
        if snapshot.banner is not None and snapshot.banner != self._banner:
            self._line(f"*** {snapshot.banner} ***")
        self._banner = snapshot.banner
        if snapshot.line == self._shown:
            return
        self._shown = snapshot.line
        if self._is_terminal:
            self._out.write(f"{_CLEAR_LINE}● {snapshot.line}")
        else:
            self._out.write(f"{snapshot.line}\n")
        self._out.flush()

    def finish(self) -> None:
        """Leave the cursor on a line of its own."""
        if self._is_terminal:
            self._out.write("\n")
            self._out.flush()

    def _line(self, words: str) -> None:
        self._out.write(f"{_CLEAR_LINE if self._is_terminal else ''}{words}\n")
