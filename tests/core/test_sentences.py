"""Sentences of errors: a title and a next step that read as two sentences, wherever they are put together."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskclf_tray
from taskclf_tray.app import text
from taskclf_tray.core.errors import StoreError, TaskclfError, sentences
from taskclf_tray.infer.taxonomy_file import parse_taxonomy

PACKAGE = Path(taskclf_tray.__file__).parent
_LONGEST_SENTENCE = 600


@pytest.mark.parametrize(
    ("title", "step", "said"),
    [
        ("It is damaged.", "Move it.", "It is damaged. Move it."),
        ("It is damaged", "Move it.", "It is damaged. Move it."),
        ("Is it?", "Move it.", "Is it? Move it."),
        ("It is damaged", "", "It is damaged"),
        ("", "Move it.", "Move it."),
        ("So it goes…", "Wait.", "So it goes… Wait."),
    ],
)
def test_two_parts_are_two_sentences(title: str, step: str, said: str) -> None:
    assert sentences(title, step) == str(TaskclfError(title, step)) == said


def test_a_mistake_of_ours_reads_as_two_sentences() -> None:
    assert ". The app tries again" in str(TaskclfError(*text.unexpected("ModuleNotFoundError")))
    assert "damaged. Move" in sentences(*text.trouble(StoreError("It is damaged.").title, "Move it."))


def _said(node: ast.expr) -> str | None:
    """A text as it is written, `{}` for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def _written() -> Iterator[tuple[str, list[str]]]:
    """Each error that is made with texts: where, and its texts."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
                texts = [said for argument in node.args if (said := _said(argument)) is not None]
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", texts


def test_no_error_doubles_its_punctuation() -> None:
    bad = re.compile(r"(?<![./])\.\.(?![./])|[,;:]\.|\.[,;:](?!\S)|[?!]\.|  |\.\{\}\.$")
    written = list(_written())
    found = [(where, said) for where, texts in written for said in texts if bad.search(said)]
    assert found == []
    assert len(written) > 200


def test_no_log_line_puts_a_full_stop_behind_a_title() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in path.read_text().splitlines()
        if re.search(r'"%s\. %s"', line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "file",
    [
        "version: " + "9" * 5000,
        "x" * 5000 + ": 1",
        "buckets:\n  - name: a\n    core_labels: [" + "Nonsense, " * 700 + "x]",
        "buckets:\n" + 2 * ("  - name: " + "y" * 5000 + "\n    core_labels: [Build]\n"),
        "version: *" + "a" * 5000,
        "version: !" + "t" * 5000 + " 1",
        "version: !<" + "t" * 5000 + "> 1",
        "%" + "d" * 5000 + " 1\n---\nversion: 1.0",
        2 * ("k" * 900 + ": 1\n"),
        "label_schema_version: " + "s" * 5000,
        "buckets:\n  - name: a\n    core_labels: [" + "Nonsense" * 700 + "]",
        "buckets:\n  - name: a\n    core_labels: [Build]\n    color: '" + "c" * 5000 + "'",
        "buckets:\n  - name: a\n    core_labels: [Build]\n    " + "o" * 900 + ": 1",
        "version: &" + "n" * 5000 + " 1\nbuckets: &" + "n" * 5000 + " 2",
        'version: "\\x' + "h" * 5000,
        "advanced:\n  probability_aggregation: " + "z" * 5000,
        "display: " + "[" * 60 + "q" * 5000,
        "display:\n  default_view: " + "w" * 5000,
        "reject:\n  mixed_label_name: [" + "1, " * 3000 + "1]",
        "advanced:\n  reweight_core_labels: {" + "v" * 5000 + ": 1}",
    ],
)
def test_a_sentence_about_the_taxonomy_has_a_readable_length(file: str) -> None:
    with pytest.raises(TaskclfError) as caught:
        parse_taxonomy(file, source="user_taxonomy.yaml")
    assert len(str(caught.value)) < _LONGEST_SENTENCE
    assert caught.value.title.startswith("Taxonomy user_taxonomy.yaml")
    assert caught.value.title.endswith(".")
