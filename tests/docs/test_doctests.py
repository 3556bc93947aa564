"""The examples in the docstrings run, and every public class of the inference documents has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskclf_tray

PACKAGE = Path(taskclf_tray.__file__).parent
TABLE = Path(__file__).parents[1] / "data" / "documents_api.txt"


def modules_with_examples() -> list[str]:
    paths = sorted(path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
    return [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_give_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def public_classes() -> Iterator[type]:
    """Every class that the table of public names lists, as its module exports it."""
    module = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            module = line.strip("[]")
        elif entry := re.match(r"(?:name|class|model|fields) (\w+)", line):
            found = getattr(importlib.import_module(f"taskclf_tray.{module}"), entry[1])
            if inspect.isclass(found):
                yield found


def test_every_public_class_of_the_documents_has_an_example() -> None:
    classes = set(public_classes())
    assert len(classes) >= 39
    assert {c.__qualname__ for c in classes if ">>> " not in (c.__doc__ or "")} == set()
