"""The log of the app: at most two regular files of the home, never a link, a FIFO or a device."""

from __future__ import annotations

import logging.handlers
import os
from io import TextIOWrapper
from pathlib import Path

from taskclf_tray.core.regular_files import Links, check_regular, open_regular


class OwnLogHandler(logging.handlers.RotatingFileHandler):
    """A rotating log with mode 0600 whose files are regular ones.

    Where something else stands in the place of the old log, the log is emptied instead of rotated.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=1, encoding="utf-8", delay=True)

    def _open(self) -> TextIOWrapper:
        return TextIOWrapper(open_regular(Path(self.baseFilename), "ab", Links.NONE), encoding="utf-8")

    def rotate(self, source: str, dest: str) -> None:
        """Rename the full log over the old one."""
        try:
            check_regular(Path(dest), Links.NONE)
        except OSError:
            os.truncate(source, 0)
        else:
            super().rotate(source, dest)

    def doRollover(self) -> None:  # noqa: N802 - the name of the standard library
        """Begin a new log. A foreign file in the place of the old one is left alone."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None
        self.rotate(self.baseFilename, self.rotation_filename(f"{self.baseFilename}.1"))
