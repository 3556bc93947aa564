"""What has failed, how often in a row, how long to wait before the next try, and what the person is told."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from taskclf_tray.app import record_text, text
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import SourceError, TaskclfError, describe_bug, file_error, is_full_disk
from taskclf_tray.infer.prediction import WindowPrediction

log = logging.getLogger(__name__)

SOURCE_FAILURES_TOLD = 3
"""Failures of the source in a row before the person is told: an ActivityWatch that restarts is back earlier."""
NAMELESS_MINUTES = 30
"""The window over which most minutes without a named window are told."""

Tell = Callable[[Sequence[Message]], None]


def as_problem(error: Exception) -> TaskclfError:
    """Convert any error to one with a sentence for the person. A bug goes to the log by type and place alone.

    An OSError that names a file is not treated as a bug: the sentence names the file.
    """
    if isinstance(error, TaskclfError):
        return error
    if isinstance(error, OSError) and (error.filename is not None or is_full_disk(error)):
        log.warning("%s", describe_bug(error))
        return file_error(error)
    log.error("Unexpected: %s", describe_bug(error))
    return TaskclfError(*text.unexpected(type(error).__name__))


class RetryPolicy:
    """Counts failures in a row; each sentence is told once until a step succeeds."""

    def __init__(self, tell: Tell, retry_seconds: Sequence[float]) -> None:
        self._tell = tell
        self._retry_seconds = retry_seconds
        self._told: set[str] = set()
        self.failures = 0
        self.problem: TaskclfError | None = None

    def failed(self, error: TaskclfError) -> float:
        """Count a failure, and tell it once; returns the seconds to wait before the next try."""
        wait = self._retry_seconds[min(self.failures, len(self._retry_seconds) - 1)]
        self.problem, self.failures = error, self.failures + 1
        is_source = isinstance(error, SourceError)
        if error.title not in self._told and (not is_source or self.failures == 1):
            log.warning("%s", error)
        if error.title not in self._told and (not is_source or self.failures >= SOURCE_FAILURES_TOLD):
            self._told.add(error.title)
            self._tell([text.trouble(error.title, error.next_step)])
        return wait

    def paused(self) -> None:
        """Reset the count, since nothing is tried while paused."""
        self.problem, self.failures = None, 0

    def worked(self) -> None:
        """Reset everything after a step that succeeded."""
        self.paused()
        self._told.clear()


class NamelessWatch:
    """Tells once that most minutes had no window with a name: the desktop needs another watcher."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._nameless: deque[bool] = deque(maxlen=NAMELESS_MINUTES)
        self._is_told = False

    def look(self, finalised: Iterable[WindowPrediction]) -> None:
        """Count new minutes."""
        self._nameless.extend(prediction.decided_by == "no_window" for prediction in finalised)
        if not self._is_told and sum(self._nameless) * 2 > NAMELESS_MINUTES:
            self._is_told = True
            self._tell([record_text.too_many_unknown()])
