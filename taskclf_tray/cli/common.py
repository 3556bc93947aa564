"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import errno
from pathlib import Path
from typing import TYPE_CHECKING

from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.core.regular_files import NotRegularError, follow_links

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_home(parser: argparse.ArgumentParser) -> None:
    """`--home` and `--debug`."""
    parser.add_argument(
        "--home", type=file_path, metavar="DIR", help="the home (default: TASKCLF_HOME, else user data)"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks instead of sentences")


def add_times(parser: argparse.ArgumentParser) -> None:
    """`--times`, of every command that reads a label file."""
    parser.add_argument(
        "--times", choices=("utc", "local"), help="what times without an offset in the label file mean (default: utc)"
    )


def add_host(parser: argparse.ArgumentParser) -> None:
    """`--host`, of commands that read exports."""
    parser.add_argument(
        "--host",
        metavar="NAME",
        help="of an export with several computers, the one to read (default: in each minute the one in use)",
    )


def file_path(word: str) -> Path:
    """A path of an option, with `~` for the user's own folder also where no shell has replaced it: `--out=~/x.csv`.

    Raises ArgumentTypeError for an empty one, and for a `~name` that is no user.
    """
    if not word.strip():
        raise argparse.ArgumentTypeError("the path is empty; name a file or folder")
    try:
        return Path(word).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"there is no user behind {word!r}; write the path in full") from error


def name_or_path(word: str) -> str:
    """The name of a model or a store, or the path of its folder. Raises ArgumentTypeError as `file_path` does."""
    return str(file_path(word)) if word.startswith("~") or not word.strip() else word


def new_folder(folder: Path) -> Path | None:
    """The first folder that has to be made so that this one is there; None where it is."""
    missing = [one for one in (folder.absolute(), *folder.absolute().parents) if not one.exists()]
    return missing[-1] if missing else None


def _why(error: OSError) -> str:
    return str(error.strerror) if isinstance(error, NotRegularError) else "its links lead in a circle"


class OutputPlace:
    """Where a command is about to write a file: nothing is replaced, and no folder is made, without being said.

    Raises TaskclfError for a folder, and for what is no ordinary file: /dev/null would become one.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise TaskclfError(
                f"{path} cannot be written: it is a folder.", f"Name a file in it, such as {path}/a.csv."
            )
        self._is_replaced = path.exists()
        if self._is_replaced and not path.is_file():
            raise TaskclfError(f"{path} cannot be written: it is no ordinary file.", "Leave --out away to print.")
        try:
            follow_links(path)
        except OSError as error:
            if isinstance(error, NotRegularError) or error.errno == errno.ELOOP:
                raise TaskclfError(f"{path} cannot be written: {_why(error)}.", "Choose another place.") from error
        self._new_folder = new_folder(path.parent)

    @property
    def words(self) -> str:
        """What to say behind the path, once the file is written."""
        if self._new_folder is not None:
            return f"; the folder {self._new_folder} was made for it"
        return ", in place of the file that was there" if self._is_replaced else ""
