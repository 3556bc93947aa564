"""Where the queue's store is: at the path given, or beside the JSON list that is found there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from taskclf_tray.core.errors import LabelError

STORE_SUFFIX: Final = ".sqlite3"
_BOM: Final = b"\xef\xbb\xbf"


def find_store(queue_path: Path) -> tuple[Path, Path | None]:
    """(the SQLite store, the JSON list to import into it or None). Raises LabelError for what is no file.

    Once imported, the store stays beside, also when the list is removed later.
    """
    beside = queue_path.with_name(queue_path.name + STORE_SUFFIX)
    try:
        if not queue_path.exists():
            return (beside if beside.exists() else queue_path), None
        if not queue_path.is_file():
            raise LabelError(f"The queue {queue_path} is not a file.", "Choose another path for it.")
        with queue_path.open("rb") as file:
            head = file.read(1024).removeprefix(_BOM).lstrip()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise LabelError(f"The queue {queue_path} cannot be read ({why}).", "Check its permissions.") from error
    return (beside, queue_path) if head[:1] in (b"[", b"{") else (queue_path, None)
