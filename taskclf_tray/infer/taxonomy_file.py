"""The taxonomy file (YAML): read with the line of every mistake, written whole; and the one a person starts from.

Only plain YAML is read: mappings, lists, text, numbers, booleans and null. An alias could grow without bound, a tag
could mean anything, and of two equal keys one would be ignored without a word, so these are refused. Nothing is built
from the text before its size and shape are checked.

The starter file has one bucket per core label, so that nothing changes before it is edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.errors import TaxonomyError
from taskclf_tray.core.person_files import checked
from taskclf_tray.core.plain_text import readable
from taskclf_tray.core.strict_json import BadJsonError, read_bounded
from taskclf_tray.core.types import LABEL_LOOKS
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig

MAX_FILE_BYTES: Final = 256 * 1024
MAX_EVENTS: Final = 20_000
MAX_DEPTH: Final = 8
_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(_CORE + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null"))
_NEXT_STEP: Final = "Correct the file and save it again."


def load_taxonomy(path: Path) -> TaxonomyConfig:
    """Read a taxonomy file. Raises TaxonomyError, with `line` and `key` of the mistake where they are known."""
    try:
        text = read_bounded(path, MAX_FILE_BYTES).decode("utf-8-sig")
    except BadJsonError as error:
        raise TaxonomyError(f"The taxonomy {path.name} {error}.", _NEXT_STEP) from error
    except UnicodeDecodeError as error:
        raise TaxonomyError(f"The taxonomy {path.name} is not UTF-8 text.", _NEXT_STEP) from error
    return parse_taxonomy(text, source=path.name)


def parse_taxonomy(text: str, *, source: str = "file") -> TaxonomyConfig:
    """Parse the taxonomy in a YAML text; `source` names it in errors. Raises TaxonomyError as `load_taxonomy` does."""
    try:
        document = parse_plain_yaml(text)
    except PlainYamlError as error:
        what = error.problem if error.key is None else f"{error.key}: {error.problem}"
        raise _refused(source, what, error.key, error.line) from error
    config, mistakes = checked(TaxonomyConfig, document.root)
    if config is None:
        place = mistakes[0].place
        raise _refused(source, str(mistakes[0]), place, document.line_of(place))
    return config


def _refused(source: str, what: str, key: str | None, line: int | None) -> TaxonomyError:
    where = source if line is None else f"{source}, line {line}"
    return TaxonomyError(f"Taxonomy {where}: {readable(what)}.", _NEXT_STEP, key=key, line=line)


def save_taxonomy(config: TaxonomyConfig, path: Path) -> Path:
    """Write a taxonomy atomically, so that `load_taxonomy` gives an equal one. Returns `path`. Raises OSError."""
    text = yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)
    write_text_atomic(path, text)
    return path


_HEAD: Final = """\
# yaml-language-server: $schema=../tray/schemas/user_taxonomy.schema.json
# Your own categories for the eight labels of the model.
#
# Each bucket below is one category: rename it, give it another color, or let it hold several core labels; then
# remove the buckets whose label you moved. A label that is in no bucket is shown as Other.
# As it stands this file changes nothing: every label is a category of its own, with its own name.
#
# A save is checked at once. A valid file counts for all days, the past ones too; with an invalid one the previous
# categories stay, and a notification names the line and the key. Removing the file brings the core labels back.

version: "1.0"
label_schema_version: labels_v1

reject:
  # What minutes are called that the model is not sure of.
  mixed_label_name: Mixed/Unknown
  # Whether reports count them.
  include_rejected_in_reports: false

buckets:
"""
_BUCKET: Final = """\
  - name: {label}
    core_labels: [{label}]
    color: "{color}"
"""
_TAIL: Final = """
  # One category for several labels looks like this:
  # - name: Deep Work
  #   description: Work that wants quiet
  #   core_labels: [Build, Debug, Write]
  #   color: "#2E86DE"

advanced:
  # The probability of a category: the sum of its labels' (sum) or the highest of them (max).
  probability_aggregation: sum
  # A category less probable than this is shown as Mixed/Unknown. With 0 only the reject threshold of the inference
  # policy decides, as it does without this file; 0.55 is usual for categories of several labels.
  min_confidence_for_mapping: 0.0
  # How much a label counts in its category, 1.0 where it is not named, such as {Meet: 1.5}.
  reweight_core_labels: {}
"""


def starter_taxonomy_text() -> str:
    """The commented file; it shows every minute as the core labels alone would."""
    buckets = (_BUCKET.format(label=label, color=look.color) for label, look in LABEL_LOOKS.items())
    return _HEAD + "".join(buckets) + _TAIL


def write_starter_taxonomy(path: Path, *, overwrite: bool = False) -> bool:
    """Write the starter file; whether it was written. An existing file stays unless `overwrite`. Raises OSError."""
    if not overwrite and (path.exists() or path.is_symlink()):
        return False
    write_text_atomic(path, starter_taxonomy_text())
    return True


# -- plain YAML with line numbers ---------------------------------------------------------------------------


class PlainYamlError(Exception):
    """A mistake, with the dotted `key` and the `line` (from 1) where known."""

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
