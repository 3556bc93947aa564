"""Parses the command line: options in any place, and hints for mistyped words. Also the options of several commands.

`taskclf-tray --home X labels list`, `taskclf-tray labels --home X list` and `taskclf-tray labels list --home X` mean
the same: options before the command are moved behind it, so each command declares its options once.
"""

from __future__ import annotations

import argparse
import difflib
import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.core.plain_text import printable
from taskclf_tray.core.regular_files import NotRegularError, follow_links

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DEFAULT_COMMAND: Final = "run"
ALONE: Final = frozenset({"-h", "--help", "--version"})
"""Options of the program as a whole."""
_MOST_SUGGESTIONS: Final = 3
_MEANT: Final[Mapping[str, str]] = {
    "check": "doctor", "start": "run", "today": "report daily", "week": "report weekly",
    "yesterday": "report daily --day yesterday",
}  # fmt: skip
"""Words people try that are no command, and what they look for."""


class UsageError(Exception):
    """A wrong use of the command line: `title` says what is wrong, `next_step` what to do, `usage` how to write it."""

    def __init__(self, program: str, title: str, next_step: str = "", usage: str = "") -> None:
        super().__init__(title)
        self.program, self.title, self.next_step, self.usage = program, title, next_step, usage

    def __str__(self) -> str:
        mark = "error: " if self.usage else ""
        return f"{self.usage}{self.program}: {mark}{self.title} {self.next_step}".rstrip()


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would end the process; the parsers of its commands do, too."""

    def error(self, message: str, next_step: str = "") -> NoReturn:
        """Raise UsageError with the usage of this command."""
        title = message if message.endswith((".", "?")) else f"{message}."
        raise UsageError(self.prog, title, next_step or f"`{self.prog} --help` shows how.", self.format_usage())


def parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words; without a command they mean `run`. Raises UsageError, SystemExit."""
    arranged, command = arrange(parser, words)
    options, unknown = parser.parse_known_args(arranged)
    if unknown:
        command.error(f"unrecognized arguments: {' '.join(map(_shown, unknown))}.", _meant_options(command, unknown))
    return options


def arrange(parser: Parser, words: Sequence[str]) -> tuple[list[str], Parser]:
    """The words with the command before all options, and the parser of that command. Raises UsageError."""
    path: list[str] = []
    ahead: list[str] = []
    rest = list(words)
    root = parser
    while commands := commands_of(parser):
        count = _count_leading_options(rest, _takes_value(parser))
        ahead, rest = [*ahead, *rest[:count]], rest[count:]
        if not rest:
            break
        if rest[0] not in commands:
            parser.error(
                f"invalid choice: {_shown(rest[0])} is no command.", _meant_commands(parser, rest[0], is_root=not path)
            )
        parser = commands[rest[0]]
        path.append(rest.pop(0))
    if not path:
        alone = [word for word in ahead if word in ALONE]
        if alone:
            return alone[:1], root
        path, parser = [DEFAULT_COMMAND], commands_of(root)[DEFAULT_COMMAND]
    return [*path, *ahead, *rest], parser


def commands_of(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """The commands below this one, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def options_of(parser: argparse.ArgumentParser) -> dict[str, bool]:
    """Map the parser's own options to whether each takes a value."""
    return {name: action.nargs != 0 for action in parser._actions for name in action.option_strings}


def _takes_value(parser: Parser) -> dict[str, bool]:
    """Map the options of all commands below to whether each takes a value."""
    known = options_of(parser)
    for command in commands_of(parser).values():
        known |= _takes_value(command)
    return known


def _count_leading_options(words: Sequence[str], takes_value: Mapping[str, bool]) -> int:
    """How many of the first words are options and their values."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if _takes_next(words[place], takes_value) else 1
    return min(place, len(words))


def _takes_next(word: str, takes_value: Mapping[str, bool]) -> bool:
    """Whether the next word is the option's value. The beginning of a name counts, as it does for argparse."""
    if word in takes_value:
        return takes_value[word]
    begun = [takes for name, takes in takes_value.items() if word.startswith("--") and name.startswith(word)]
    return bool(begun) and all(begun)


# -- what was meant -------------------------------------------------------------------------------------------


def _meant_options(command: Parser, unknown: Sequence[str]) -> str:
    known = [name for name in options_of(command) if name.startswith("--")]
    found = [
        close[0]
        for word in unknown
        if word.startswith("-") and (close := difflib.get_close_matches(word.partition("=")[0], known, 1))
    ]
    return f"Did you mean {' '.join(found)}?" if found else ""


def _meant_commands(parser: Parser, word: str, *, is_root: bool) -> str:
    """`Did you mean …?` for commands here and, at the root, one level below; empty when nothing is close."""
    below = {name: [name] for name in commands_of(parser)}
    if is_root:
        for group, command in commands_of(parser).items():
            for name in commands_of(command):
                below.setdefault(name, []).append(f"{group} {name}")
    folded = word.casefold()
    close = difflib.get_close_matches(folded, below, _MOST_SUGGESTIONS, 0.7)
    found = [_MEANT[folded]] if is_root and folded in _MEANT else [one for name in close for one in below[name]]
    meant = " or ".join(f"`{parser.prog} {one}`" for one in found[:_MOST_SUGGESTIONS])
    return f"Did you mean {meant}?" if meant else f"There are {', '.join(commands_of(parser))}."


def _shown(word: str) -> str:
    return f"“{printable(word)}”"


# -- options that several commands share ----------------------------------------------------------------------


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
    """Parse a path. `~` is expanded also where no shell does it: `--out=~/x.csv`.

    Raises ArgumentTypeError for an empty path, and for a `~name` without such a user.
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
    """The first missing folder on the way to this one; None when it exists."""
    missing = [one for one in (folder.absolute(), *folder.absolute().parents) if not one.exists()]
    return missing[-1] if missing else None


def _why(error: OSError) -> str:
    return str(error.strerror) if isinstance(error, NotRegularError) else "its links lead in a circle"


class OutputPlace:
    """Where a command is about to write a file. It says when a file is replaced or a folder created.

    Raises TaskclfError for a folder, and for anything but a regular file: /dev/null would become one.
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
        """The words behind the path, once the file is written."""
        if self._new_folder is not None:
            return f"; the folder {self._new_folder} was made for it"
        return ", in place of the file that was there" if self._is_replaced else ""
