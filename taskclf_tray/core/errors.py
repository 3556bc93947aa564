"""Every error this program raises on purpose.

    TaskclfError                    title + next step, both written for the person
    ├── ConfigError                 config.toml
    ├── PolicyValidationError       models/inference_policy.json
    ├── TaxonomyError               configs/user_taxonomy.yaml
    ├── ModelError                  a model bundle cannot be used
    │   ├── ModelFormatError        damaged, truncated or not understood
    │   └── ModelIncompatibleError  sound, but for another schema or label set
    ├── CalibratorError             a calibrator file or store cannot be used
    ├── IdentityError               .user_id or .title_secret missing or damaged
    ├── SourceError                 where events come from
    │   ├── AWConnectionError       nobody answers
    │   ├── AWTimeoutError          somebody accepts, nobody answers in time
    │   ├── AWNotFoundError         no such bucket
    │   ├── AWAuthError             a key is needed, or the one given is refused
    │   ├── AWProtocolError         an answer that is not ActivityWatch's
    │   └── ExportFormatError       an export file that cannot be read
    ├── StoreError                  the database
    │   └── RecordMovedError        deleted, replaced or moved while it was open
    ├── LabelError                  a label, a file of labels or an entry of the queue that cannot be used
    ├── AlreadyRunningError         a second instance
    └── SystemToolError             an editor, opener or desktop service failed

`infer.resolve.ModelResolutionError` (no model can be served) carries a report and is defined beside it.
Foreign exceptions (requests, sqlite3, OSError, …) are mapped once, where they enter.
"""

from __future__ import annotations

import errno
from pathlib import Path

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def sentences(title: str, next_step: str) -> str:
    """Both as sentences behind each other; a title without a full stop, as notifications have it, gets one."""
    if not title or not next_step:
        return (title or next_step).strip()
    return f"{title}{'' if title[-1] in '.?!…' else '.'} {next_step}"


class TaskclfError(Exception):
    """An error with one clear sentence (`title`) and what to do about it (`next_step`).

    `str(error)` is both, for a terminal; notifications use the two parts.
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
    """The inference policy has a wrong value; `key` names it when one key is to blame."""

    def __init__(self, title: str, next_step: str = "", *, key: str | None = None) -> None:
        super().__init__(title, next_step)
        self.key = key


class TaxonomyError(TaskclfError):
    """The taxonomy file is invalid; `line` and `key` say where, when known."""

    def __init__(self, title: str, next_step: str = "", *, key: str | None = None, line: int | None = None) -> None:
        super().__init__(title, next_step)
        self.key = key
        self.line = line


class ModelError(TaskclfError):
    """A model bundle cannot be used."""


class ModelFormatError(ModelError):
    """A bundle that is damaged, truncated, or uses a feature of LightGBM the evaluator does not know."""


class ModelIncompatibleError(ModelError):
    """A sound bundle for another feature schema or label set."""


class CalibratorError(TaskclfError):
    """A calibrator file or store that is damaged or unknown."""


class IdentityError(TaskclfError):
    """The install's user id or title secret is missing or damaged where it must not be invented."""


class SourceError(TaskclfError):
    """Events cannot be read."""


class AWConnectionError(SourceError):
    """No ActivityWatch server answers at the address."""


class AWTimeoutError(SourceError):
    """The server accepts the connection and does not answer in time."""


class AWNotFoundError(SourceError):
    """The server has no such bucket."""


class AWAuthError(SourceError):
    """The server wants a key, or refuses the one it got."""


class AWForeignServerError(SourceError):
    """The server on this computer belongs to another user."""


class AWProtocolError(SourceError):
    """The answer is not one an ActivityWatch server gives."""


class ExportFormatError(SourceError):
    """The file is not an ActivityWatch export, or is damaged."""


class StoreError(TaskclfError):
    """The database cannot be opened, read or written."""


class RecordMovedError(StoreError):
    """The database was deleted, replaced or moved while it was open; nothing was written."""


class LabelError(TaskclfError):
    """A label, a file of labels or an entry of the queue that cannot be used."""


class AlreadyRunningError(TaskclfError):
    """Another instance holds the lock of this home."""


class SystemToolError(TaskclfError):
    """A desktop service or program (editor, file manager) could not be started."""


def is_full_disk(error: OSError) -> bool:
    """Whether the disk, or the person's part of it, has no room left."""
    return error.errno in _FULL


def file_error(error: OSError, place: Path | str | None = None) -> TaskclfError:
    """The sentence for the person behind an OSError. `place`: the file or folder, where the error may not know it."""
    what = place or error.filename2 or error.filename or "A file"
    if is_full_disk(error):
        return TaskclfError(f"The disk that holds {what} is full.", "Free some space, then try again.")
    return TaskclfError(
        f"{what} cannot be read or written ({error.strerror or type(error).__name__}).",
        "Check the permissions of the home and the free space on its disk.",
    )
