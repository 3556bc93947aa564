"""Where the queue's store is: at the path given, or beside the JSON list that other programs keep there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from taskclf_tray.core.atomic import replace
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.store.database import Database

STORE_SUFFIX: Final = ".sqlite3"
LIST_SUFFIX: Final = ".json"
_BOM: Final = b"\xef\xbb\xbf"
_SQLITE: Final = b"SQLite format 3\x00"


def find_store(queue_path: Path) -> tuple[Path, Path | None]:
    """(the SQLite store, the JSON list beside it or None). Raises LabelError for what is no file, StoreError.

    A path that ends in `.json` is always a list, so a database is never written there; one that an earlier version
    wrote there becomes the store. Elsewhere a list that is found is one too.
    """
    beside = queue_path.with_name(queue_path.name + STORE_SUFFIX)
    is_named_list = queue_path.suffix.lower() == LIST_SUFFIX
    try:
        if not queue_path.exists():
            if is_named_list:
                queue_path.parent.mkdir(parents=True, exist_ok=True)
                return beside, queue_path
            return (beside if beside.exists() else queue_path), None
        if not queue_path.is_file():
            raise LabelError(f"The queue {queue_path} is not a file.", "Choose another path for it.")
        with open_regular(queue_path) as file:
            head = file.read(1024).removeprefix(_BOM).lstrip()
        if is_named_list and head.startswith(_SQLITE):
            _move_store(queue_path, beside)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise LabelError(f"The queue {queue_path} cannot be read ({why}).", "Check its permissions.") from error
    return (beside, queue_path) if is_named_list or head[:1] in (b"[", b"{") else (queue_path, None)


def _move_store(misplaced: Path, goal: Path) -> None:
    """Move the database that stands where the list belongs, whole. Raises StoreError when it is damaged."""
    if goal.exists():
        replace(misplaced, misplaced.with_name(misplaced.name + ".old"))  # the store is there already
        return
    Database(misplaced).close()  # writes down what its log still holds
    replace(misplaced, goal)
