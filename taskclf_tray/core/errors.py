"""Every error that this program raises on purpose.

    TaskclfError                    title + next step, both written for the person
    ├── ConfigError                 config.toml
    ├── PolicyValidationError       models/inference_policy.json
    ├── TaxonomyError               configs/user_taxonomy.yaml
    ├── ModelError                  a model bundle cannot be used
    │   ├── ModelFormatError        damaged, truncated or in an unknown format
    │   └── ModelIncompatibleError  sound, but for another schema or label set
    ├── CalibratorError             a calibrator file or store cannot be used
    ├── HeadError                   the file of a personal head cannot be used
    ├── IdentityError               .user_id or .title_secret is missing or damaged
    ├── SourceError                 events cannot be read
    │   ├── AWConnectionError       no server at the address
    │   ├── AWTimeoutError          no response in time
    │   ├── AWNotFoundError         no such bucket
    │   ├── AWAuthError             an API key is missing or refused
    │   ├── AWForeignServerError    the server belongs to another user
    │   ├── AWProtocolError         a response that no ActivityWatch server gives
    │   └── ExportFormatError       an export file that cannot be read
    ├── StoreError                  the database
    │   └── RecordMovedError        deleted, replaced or moved while it was open
    ├── LabelError                  a label, a label file or a queue entry that cannot be used
    ├── AlreadyRunningError         a second instance
    └── SystemToolError             an editor, opener or desktop service failed

`infer.resolve.ModelResolutionError` (no model can be served) carries a report and is defined beside it.
Foreign exceptions (requests, sqlite3, OSError, …) are mapped once, where they enter.
"""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def sentences(title: str, next_step: str) -> str:
    """Join a title and a next step into two sentences; a title without a full stop, as in notifications, gets one."""
    if not title or not next_step:
        return (title or next_step).strip()
    return f"{title}{'' if title[-1] in '.?!…' else '.'} {next_step}"


class TaskclfError(Exception):
    """An error with one clear sentence (`title`) and a remedy (`next_step`).

    `str(error)` holds both, for a terminal; notifications show the two parts.
    """

    def __init__(self, title: str, next_step: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.next_step = next_step

    def __str__(self) -> str:
        return sentences(self.title, self.next_step)


class ConfigError(TaskclfError):
    """config.toml cannot be used as a whole."""


class PolicyValidationError(TaskclfError):
    """The inference policy has a wrong value; `key` names the key that holds it, when one key does.

    >>> PolicyValidationError("reject_threshold is 2.0.", "Correct it.", key="reject_threshold").key
    'reject_threshold'
    """

    def __init__(self, title: str, next_step: str = "", *, key: str | None = None) -> None:
        super().__init__(title, next_step)
        self.key = key


class TaxonomyError(TaskclfError):
    """The taxonomy file is invalid; `line` and `key` give the position when it is known."""

    def __init__(self, title: str, next_step: str = "", *, key: str | None = None, line: int | None = None) -> None:
        super().__init__(title, next_step)
        self.key = key
        self.line = line


class ModelError(TaskclfError):
    """A model bundle cannot be used."""


class ModelFormatError(ModelError):
    """The bundle is damaged, truncated, or uses a feature of LightGBM that the evaluator does not support."""


class ModelIncompatibleError(ModelError):
    """The bundle is sound but belongs to another feature schema or label set."""


class CalibratorError(TaskclfError):
    """A calibrator file or store is damaged or of an unknown kind."""


class HeadError(TaskclfError):
    """The file of a personal head is missing, damaged, or belongs to another installation."""


class IdentityError(TaskclfError):
    """The user id or title secret of this installation is missing or damaged and must not be made up."""


class SourceError(TaskclfError):
    """Events cannot be read."""


class AWConnectionError(SourceError):
    """No ActivityWatch server answers at the address.

    >>> str(AWConnectionError("No server answers at localhost:5600.", "Start ActivityWatch."))
    'No server answers at localhost:5600. Start ActivityWatch.'
    """


class AWTimeoutError(SourceError):
    """The server accepts the connection but sends no response in time.

    >>> AWTimeoutError("ActivityWatch did not answer within 5 s.", "Restart it.").next_step
    'Restart it.'
    """


class AWNotFoundError(SourceError):
    """The server has no such bucket.

    >>> isinstance(AWNotFoundError("There is no bucket named aw-watcher-window_pc."), SourceError)
    True
    """


class AWAuthError(SourceError):
    """The server requires an API key, or refuses the one it received."""


class AWForeignServerError(SourceError):
    """The server on this computer belongs to another user."""


class AWProtocolError(SourceError):
    """The response is not one that an ActivityWatch server gives."""


class ExportFormatError(SourceError):
    """The file is not an ActivityWatch export, or is damaged."""


class StoreError(TaskclfError):
    """The database cannot be opened, read or written."""


class RecordMovedError(StoreError):
    """The database was deleted, replaced or moved while it was open; nothing was written."""


class LabelError(TaskclfError):
    """A label, a label file or a queue entry cannot be used."""


class AlreadyRunningError(TaskclfError):
    """Another instance holds the lock of this home."""


class SystemToolError(TaskclfError):
    """A desktop service or program (editor, file manager) did not start."""


def is_full_disk(error: OSError) -> bool:
    """Whether the disk, or the user's quota on it, has no room left."""
    return error.errno in _FULL


def file_error(
    error: OSError,
    place: Path | str | None = None,
    *,
    kind: type[TaskclfError] = TaskclfError,
    problem: str = "cannot be read or written",
    next_step: str = "Check the permissions of the home and the free space on its disk.",
) -> TaskclfError:
    """Turn an OSError into an error for the person.

    Args:
        error: the OSError.
        place: the file or folder, where the error may not name it.
        kind: the class of the result.
        problem: end of the sentence about the file, for anything but a full disk.
        next_step: the remedy, likewise.
    """
    what = place or error.filename2 or error.filename or "A file"
    if is_full_disk(error):
        return kind(f"The disk that holds {what} is full.", "Free some space, then try again.")
    return kind(f"{what} {problem} ({error.strerror or type(error).__name__}).", next_step)


def describe_bug(error: BaseException) -> str:
    """Describe an unexpected error for the log by its type and its places in the code, innermost frame last.

    The message is left out: it may quote a value, and a value may be a window title.
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    return " > ".join([*places, type(error).__name__])
