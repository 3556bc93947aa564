"""Every command of the command line."""

from __future__ import annotations

from taskclf_tray.cli.arguments import (
    Parser,
    commands_of,
)
from taskclf_tray.cli.main import build_parser

PARSER = build_parser()


def leaves(parser: Parser = PARSER, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Parser]:
    """Every command that does something, by the words that name it."""
    below = commands_of(parser)
    if not below:
        return {path: parser}
    found: dict[tuple[str, ...], Parser] = {}
    for name, command in below.items():
        found |= leaves(command, (*path, name))
    return found


LEAVES = leaves()
