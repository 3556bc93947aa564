"""Plain YAML with line numbers: mappings, lists, text, numbers, booleans and null, nothing else.

An alias could grow without bound, a tag could mean anything, and of two equal keys one would be ignored without a
word, so these are refused. Nothing is built from the text before its size and shape are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_EVENTS: Final = 20_000
MAX_DEPTH: Final = 8
_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(_CORE + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null"))


class PlainYamlError(Exception):
    """What is wrong, with the dotted `key` and the `line` (from 1) where known."""

    def __init__(self, problem: str, key: str | None = None, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.key, self.line = problem, key, line


@dataclass(frozen=True, slots=True)
class PlainYaml:
    """A document whose top is a mapping: its plain values, and the line (from 1) of each dotted key.

    List items are keyed `buckets[0].name`.
    """

    root: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, key: str) -> int | None:
        """The line of a key, of the nearest thing around it when the key itself is absent."""
        while key and key not in self.lines:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.lines.get(key)


def parse_plain_yaml(text: str) -> PlainYaml:
    """Raises PlainYamlError for anything but a plain mapping. Time and memory are linear in the text."""
    node = _compose(text)
    if node is None:
        raise PlainYamlError("the file is empty")
    document = PlainYaml({})
    value = _value(node, "", document.lines)
    if not isinstance(value, dict):
        raise PlainYamlError("the file must consist of `key: value` lines", line=node.start_mark.line + 1)
    document.root.update(value)
    return document


def _compose(text: str) -> yaml.Node | None:
    try:
        _check_events(text)
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise PlainYamlError(f"not YAML, {error.problem or error.context}", line=line) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PlainYamlError("not YAML, it holds characters that are not allowed") from error
    return node


def _check_events(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise PlainYamlError("anchors (&) and aliases (*) are not allowed", line=line)
        if depth > MAX_DEPTH or count > MAX_EVENTS:
            raise PlainYamlError("the file is nested too deeply or too long", line=line)


def _value(node: yaml.Node, key: str, lines: dict[str, int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(key, line)
    if node.tag not in _PLAIN_TAGS:
        raise PlainYamlError("only text, numbers, true and false are allowed here", key or None, line)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, key, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, f"{key}[{i}]", lines) for i, child in enumerate(node.value)]
    try:
        # the scalar is built by its own tag, which is one of the plain ones
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise PlainYamlError("the value cannot be read", key, line) from error


def _mapping(node: yaml.MappingNode, key: str, lines: dict[str, int]) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        name = key_node.value
        if not isinstance(name, str) or key_node.tag not in _PLAIN_TAGS:
            raise PlainYamlError("a key must be plain text", key or None, line)
        child = f"{key}.{name}" if key else name
        if name in answer:
            raise PlainYamlError("the key is there twice", child, line)
        lines[child] = line
        answer[name] = _value(value_node, child, lines)
    return answer
