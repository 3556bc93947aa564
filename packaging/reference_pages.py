"""Writes docs/command-line.md, docs/settings.md and configs/*.schema.json from the parsers and the models of files.

Run it after a change of an option or a setting (`make reference`). A generated table stands between two comments, and
the text around it is written by hand:

    <!-- generated: settings -->
    ...
    <!-- end -->
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from taskclf_tray.cli.main import build_parser
from taskclf_tray.core.config import WITHOUT_EFFECT, Config
from taskclf_tray.core.person_files import remedy_of
from taskclf_tray.models.file_schemas import write_schemas

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
PROGRAM: Final = "taskclf-tray"
EVERYWHERE: Final = ("--home", "--debug")
_BLOCK: Final = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def command_line(text: str) -> str:
    """docs/command-line.md with its tables made anew: one block for each command, and `everywhere` for all of them."""
    parser = build_parser()
    first = next(iter(commands(parser).items()))
    blocks: dict[str, Callable[[], str]] = {"everywhere": partial(option_table, [first], EVERYWHERE)}
    for name, command in commands(parser).items():
        blocks[name] = partial(command_block, name, helps(parser)[name], command)
    return _filled(text, blocks)


def settings(text: str) -> str:
    """docs/settings.md with its tables made anew: `settings`, and the keys `without-effect`."""
    return _filled(text, {"settings": settings_table, "without-effect": unused_table})


PAGES: Final[dict[str, Callable[[str], str]]] = {"command-line.md": command_line, "settings.md": settings}


def command_block(name: str, summary: str, command: argparse.ArgumentParser) -> str:
    """The tables of a command: its subcommands, below its sentence, or the command itself; then the options."""
    parts = commands(command)
    rows = [(f"{PROGRAM} {name} {part}", helps(command)[part], each) for part, each in parts.items()]
    rows = rows or [(f"{PROGRAM} {name}", summary, command)]
    table = _table(("command", "what it does"), ((_code(usage, *_operands(each)), text) for usage, text, each in rows))
    options = option_table(list(parts.items()) or [(name, command)])
    heading = f"{summary[0].upper()}{summary[1:]}.\n\n" if parts else ""
    return f"{heading}{table}\n{options}"


def option_table(parts: list[tuple[str, argparse.ArgumentParser]], only: Iterable[str] = ()) -> str:
    """The options of several commands; an option that means the same in some of them is one row."""
    owners: dict[tuple[str, str], list[str]] = {}
    for part, parser in parts:
        for action in _options(parser):
            name = action.option_strings[0]
            if name in only if only else name not in EVERYWHERE:
                owners.setdefault((_spelling(action), _meaning(action)), []).append(part)
    if len(parts) == 1:
        return _table(("option", "meaning"), owners)
    rows = [
        (option, "all" if len(names) == len(parts) else ", ".join(f"`{name}`" for name in names), text)
        for (option, text), names in owners.items()
    ]
    return _table(("option", "of", "meaning"), rows)


def settings_table() -> str:
    """One row for each key that is read: default as TOML, meaning, allowed values."""
    rows = [
        (
            f"`{name}`",
            f"`{_toml(field.default)}`",
            field.description or "",
            remedy_of(Config, name).removeprefix("write "),
        )
        for name, field in Config.model_fields.items()
        if name not in WITHOUT_EFFECT
    ]
    return _table(("key", "default", "meaning", "allowed"), rows)


def unused_table() -> str:
    """One row for each key that is accepted and has no effect, with the reason."""
    rows = [(f"`{name}`", why) for name, why in WITHOUT_EFFECT.items()]
    return _table(("key", "why it has no effect"), rows)


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands of a parser, in their order."""
    return {name: choice for group in _groups(parser) for name, choice in group.choices.items()}


def helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    """What the help says of each command of a parser."""
    return {choice.dest: choice.help or "" for group in _groups(parser) for choice in group._choices_actions}


def _groups(parser: argparse.ArgumentParser) -> Iterator[argparse._SubParsersAction[argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield action


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if action.option_strings and "--help" not in action.option_strings and action.help != argparse.SUPPRESS:
            yield action


def _operands(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction):
            choices = ",".join(map(str, action.choices or ()))
            name = f"{{{choices}}}" if choices else str(action.metavar or action.dest).upper()
            yield f"[{name}]" if action.nargs == "?" else name


def _spelling(action: argparse.Action) -> str:
    return ", ".join(f"`{name}`" for name in action.option_strings)


def _meaning(action: argparse.Action) -> str:
    text = (action.help or "") % vars(action)
    return text + (": " + ", ".join(f"`{choice}`" for choice in action.choices) if action.choices else "")


def _code(*words: str) -> str:
    return f"`{' '.join(words)}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _filled(text: str, blocks: dict[str, Callable[[], str]]) -> str:
    found = _BLOCK.findall(text)
    names = [name for _, name, _ in found]
    if sorted(names) != sorted(blocks):
        sys.exit(f"The page has the tables {sorted(names)}; the code has {sorted(blocks)}.")
    return _BLOCK.sub(lambda match: f"{match[1]}\n{blocks[match[2]]()}\n{match[3]}", text)


def main() -> None:
    """Write both pages and the JSON Schemas; what is up to date keeps its bytes."""
    for name, page in PAGES.items():
        path = DOCS / name
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
    write_schemas(DOCS.parent / "configs")


if __name__ == "__main__":
    main()
