"""What the log and the person may be told of an error nobody foresaw."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from taskclf_tray.app import text
from taskclf_tray.core.errors import TaskclfError, file_error, is_full_disk

log = logging.getLogger(__name__)


def describe_bug(error: BaseException) -> str:
    """Type and place of an unexpected error, innermost frame last.

    Never its message: that may quote the value it tripped over, and a value may be a window title.
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    return " > ".join([*places, type(error).__name__])


def as_problem(error: Exception) -> TaskclfError:
    """What the person is told of any error; a bug goes to the log by type and place alone.

    A file that cannot be read or written is no bug: the file is named.
    """
    if isinstance(error, TaskclfError):
        return error
    if isinstance(error, OSError) and (error.filename is not None or is_full_disk(error)):
        log.warning("%s", describe_bug(error))
        return file_error(error)
    log.error("Unexpected: %s", describe_bug(error))
    return TaskclfError(*text.unexpected(type(error).__name__))
