"""The public names of the inference documents: every module, parameter, default and field of `documents_api.txt`."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from taskclf_tray.infer.calibration import IdentityCalibrator

TABLE = Path(__file__).parents[1] / "data" / "documents_api.txt"
METHODS = ("model_dump", "model_validate", "model_copy", "model_dump_json")


@dataclass(frozen=True)
class Entry:
    """One line: a kind, `module:name` or `module:Class.method`, and the signature as an AST."""

    kind: str
    module: str
    path: str
    arguments: ast.arguments

    def __str__(self) -> str:
        return f"{self.module}:{self.path}"

    @property
    def object(self) -> Any:
        found: Any = importlib.import_module(f"taskclf_tray.{self.module}")
        for name in self.path.split("."):
            found = getattr(found, name)
        return found

    def parameters(self) -> Iterator[tuple[str, bool, ast.expr | None]]:
        """(name, whether by keyword alone, the default)."""
        a = self.arguments
        defaults = [None] * (len(a.args) - len(a.defaults)) + list(a.defaults)
        yield from ((arg.arg, False, default) for arg, default in zip(a.args, defaults, strict=True))
        yield from ((arg.arg, True, default) for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True))


def entries() -> list[Entry]:
    found: list[Entry] = []
    module = owner = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            module = line.strip("[]")
        elif line and not line.startswith("#"):
            kind, name, rest = re.fullmatch(r"\s*(def|class|model|fields|name) (\w+)(.*)", line).groups()  # type: ignore[union-attr]
            path = f"{owner}.{name}" if line.startswith(" ") else name
            owner = owner if line.startswith(" ") else name
            function = ast.parse(f"def f{rest or '()'}: ...").body[0]
            assert isinstance(function, ast.FunctionDef)
            found.append(Entry(kind, module, path, function.args))
    return found


def value_of(default: ast.expr) -> Any:
    code = compile(ast.Expression(default), "table", "eval")
    return eval(code, {"IdentityCalibrator": IdentityCalibrator})


def check_default(where: str, documented: ast.expr | None, found: Any, missing: Any) -> None:
    if documented is None:
        assert found is missing, f"{where} must be given"
        return
    assert found is not missing, f"{where} has no default"
    wanted = value_of(documented)
    assert wanted is ... or found == wanted, f"{where} is {found!r} by default, not {wanted!r}"


def made(owner: Any, parameter: inspect.Parameter) -> Any:
    """The default; of a dataclass the one its factory makes."""
    fields = {field.name: field for field in dataclasses.fields(owner)} if dataclasses.is_dataclass(owner) else {}
    factory = fields[parameter.name].default_factory if parameter.name in fields else dataclasses.MISSING
    return parameter.default if factory is dataclasses.MISSING else factory()


def signature_problems(entry: Entry) -> None:
    ours = [p for p in inspect.signature(entry.object).parameters.values() if p.name != "self"]
    documented = list(entry.parameters())
    empty = inspect.Parameter.empty
    for is_keyword in (False, True):
        wanted = [(name, default) for name, only, default in documented if only is is_keyword]
        kind = inspect.Parameter.KEYWORD_ONLY if is_keyword else inspect.Parameter.POSITIONAL_OR_KEYWORD
        found = [p for p in ours if p.kind is kind]
        assert [p.name for p in found[: len(wanted)]] == [name for name, _ in wanted], f"{entry}: {found}"
        for parameter, (name, default) in zip(found, wanted, strict=False):
            check_default(f"{entry}, {name}", default, made(entry.object, parameter), empty)
        assert all(p.default is not empty for p in found[len(wanted) :]), f"{entry}: an extra parameter has no default"


def field_defaults(owner: Any) -> dict[str, Any]:
    """The fields that a constructor takes, each with its default, or MISSING where it must be given."""
    if issubclass(owner, BaseModel):
        return {
            name: dataclasses.MISSING if field.is_required() else field.get_default(call_default_factory=True)
            for name, field in owner.model_fields.items()
            if not field.default_factory_takes_validated_data
        }
    return {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(owner)
        if field.init
    }


def field_problems(entry: Entry) -> None:
    fields = field_defaults(entry.object)
    for name, _, default in entry.parameters():
        assert name in fields, f"{entry} has no field {name}"
        check_default(f"{entry}.{name}", default, fields.pop(name), dataclasses.MISSING)
    for name, default in fields.items():
        assert default is not dataclasses.MISSING, f"{entry}.{name} is extra and has no default"


@pytest.mark.parametrize("entry", entries(), ids=str)
def test_it_is_as_documented(entry: Entry) -> None:
    found = entry.object
    if entry.kind in ("def", "class"):
        signature_problems(entry)
    elif entry.kind in ("model", "fields"):
        field_problems(entry)
    if entry.kind == "model":
        assert issubclass(found, BaseModel)
        assert all(callable(getattr(found, name)) for name in METHODS)


def test_the_table_sees_what_is_wrong() -> None:
    def changed(line: str) -> Entry:
        kind, name, rest = re.fullmatch(r"(\w+) (\w+)(.*)", line).groups()  # type: ignore[union-attr]
        function = ast.parse(f"def f{rest}: ...").body[0]
        assert isinstance(function, ast.FunctionDef)
        return Entry(kind, "infer.smooth", name, function.args)

    signature_problems(changed("def flap_rate(labels)"))
    for wrong in ("(names)", "(labels, *, window=3)", "(labels=None)", "()"):
        with pytest.raises(AssertionError):
            signature_problems(changed(f"def flap_rate{wrong}"))
    with pytest.raises(AssertionError):
        signature_problems(changed("def rolling_majority(labels, window=5)"))
    with pytest.raises(AssertionError):
        field_problems(changed("fields Segment(start_ts, end_ts)"))
