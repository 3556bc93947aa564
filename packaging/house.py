"""How clear the house is, in numbers: `make house`. What each number means stands beside it.

Standard library only, but for the two scenarios, which run the application itself.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import statistics
import sys
import tempfile
import threading
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "taskclf_tray"
CITATION = re.compile(r"\(contract, sections? ([\d, and–]+)\)|contract (?:section )?(\d+)\b")
"""How a docstring cites the contract."""


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package, parsed."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def is_door(self) -> bool:
        """Whether it holds nothing but names of others: imports, `__all__` and further names for them."""
        body = [node for node in self.tree.body if not _is_docstring(node)]
        names = (isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.List) for node in body)
        is_import = (isinstance(node, ast.Import | ast.ImportFrom) for node in body)
        has_all = any(isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__" for n in body)
        return has_all and all(a or b for a, b in zip(names, is_import, strict=True))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def modules_of(package: Path) -> dict[str, Module]:
    """Every file by its dotted name; a package by its own."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        found[name] = Module(name, path, ast.parse(text), text.count("\n"))
    return found


def imports_of(module: Module, known: Mapping[str, Module]) -> Iterator[tuple[str, bool]]:
    """(imported module of the package, whether inside a function), without those for type checking alone."""

    def walk(node: ast.AST, is_local: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            inside = is_local or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            if isinstance(child, ast.ImportFrom) and child.module:
                for alias in child.names:
                    full = f"{child.module}.{alias.name}"
                    yield (full if full in known else child.module), inside
            elif isinstance(child, ast.Import):
                yield from ((alias.name, inside) for alias in child.names)
            else:
                yield from walk(child, inside)

    return walk(module.tree, False)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other in a circle (Tarjan, SIAM J. Comput. 1, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            place = stack.index(node)
            group = stack[place:]
            del stack[place:]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def function_lengths(modules: Mapping[str, Module]) -> list[tuple[int, str]]:
    """(lines, name) of every function, the shortest first."""
    return sorted(
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{module.name}.{node.name}")
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def citations(modules: Mapping[str, Module]) -> tuple[int, int]:
    """(cited sections of the contract, those of them that a document of the repository has)."""
    contract = ROOT / "docs" / "reference" / "contract.md"
    text = contract.read_text(encoding="utf-8") if contract.exists() else ""
    there = set(re.findall(r"^## (\d+)\.", text, re.MULTILINE))
    cited = [
        number
        for module in modules.values()
        for match in CITATION.finditer(module.path.read_text(encoding="utf-8"))
        for number in re.findall(r"\d+", match[1] or match[2])
    ]
    return len(cited), sum(number in there for number in cited)


def exceptions() -> int:
    """Listed exceptions of the import rule."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return sum(len(contract.get("ignore_imports", ())) for contract in rules["contracts"])


def measured() -> dict[str, Any]:
    """Every figure, by name."""
    modules = modules_of(PACKAGE)
    rooms = {name: module for name, module in modules.items() if not module.is_door}
    graph: dict[str, set[str]] = defaultdict(set)
    importers: dict[str, set[str]] = defaultdict(set)
    local = 0
    for name, module in rooms.items():
        for imported, is_local in imports_of(module, modules):
            local += is_local
            if imported in modules and imported != name:
                graph[name].add(imported)
                importers[imported].add(name)
    lengths = function_lengths(rooms)
    cited, resolved = citations(rooms)
    return {
        "files": len(rooms),
        "doors": len(modules) - len(rooms),
        "lines": sum(module.lines for module in modules.values()),
        "single_importer_files": sum(
            len(importers[name]) == 1 for name, module in rooms.items() if module.path.name != "__init__.py"
        ),
        "circles": len(circles(graph)),
        "exceptions": exceptions(),
        "local_imports": local,
        "function_median": statistics.median(length for length, _ in lengths),
        "function_max": lengths[-1][0],
        "citations": cited,
        "citations_resolved": resolved,
        "event_to_label_files": len(files_called(event_to_label)),
        "label_to_model_files": len(files_called(label_to_model)),
    }


TARGETS = {
    "files": 195, "lines": 32_500, "single_importer_files": 35, "circles": 0, "exceptions": 0, "local_imports": 20,
    "function_median": 8, "function_max": 80, "event_to_label_files": 40, "label_to_model_files": 28,
}  # fmt: skip


# -- scenarios --------------------------------------------------------------------------------------------------


def files_called(scenario: Callable[[Callable[[], contextlib.AbstractContextManager[None]]], None]) -> set[str]:
    """Files of the package in which something is called while `scenario` watches, in any thread."""
    seen: set[str] = set()

    def note(frame: Any, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            seen.add(frame.f_code.co_filename)

    @contextlib.contextmanager
    def watched() -> Iterator[None]:
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    scenario(watched)
    return {name for name in seen if Path(name).is_relative_to(PACKAGE)}


def event_to_label(watched: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
    """Ten minutes of a window, as ActivityWatch's own answer holds them, become the label of the newest minute."""
    from datetime import UTC, datetime, timedelta

    from taskclf_tray.adapters.base import Stream
    from taskclf_tray.adapters.normalise import Normaliser
    from taskclf_tray.adapters.raw import RawEvent
    from taskclf_tray.core.time import to_us
    from taskclf_tray.store.database import Database
    from tests.infer.test_parity_record import Script
    from tests.support.worker_home import pipeline_config, recorder_of

    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    raw = [
        RawEvent(to_us(start + timedelta(minutes=minute)), 60_000_000, {"app": "code", "title": "main.py"}, minute)
        for minute in range(10)
    ]
    normaliser = Normaliser("3d" * 32)
    with tempfile.TemporaryDirectory() as folder:
        database, config = Database(Path(folder) / "tray.db"), pipeline_config()
        with watched():
            events = normaliser.events(start, start + timedelta(minutes=10), {Stream.WINDOW: raw})
            recorder_of(database, Script(events), config).step(start + timedelta(minutes=11))
        database.close()


def label_to_model(watched: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
    """A label is written down, and a model is trained on all of them, judged and promoted."""
    from datetime import timedelta

    from taskclf_tray.core.time import to_us
    from taskclf_tray.jobs.retrain import run
    from taskclf_tray.labels.spans import LabelStore
    from taskclf_tray.store.database import Database
    from taskclf_tray.train.train_request import RetrainRequest
    from tests.support.worked_days import FIRST, LATER, make_home, record_days
    from tests.support.worker_home import USER

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        paths = make_home(Path(folder) / "home")
        record_days(paths, range(3))
        with watched():
            database = Database(paths.database)
            LabelStore(database, USER).add(FIRST, FIRST + timedelta(minutes=10), "Build", at=LATER)
            database.close()
            run(RetrainRequest(str(paths.home), now_us=to_us(FIRST + timedelta(days=6))), lambda _event: None)


def main() -> int:
    """Print every figure beside its target."""
    sys.path.insert(0, str(ROOT))
    figures = measured()
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures, indent=2))
        return 0
    for name, value in figures.items():
        target = TARGETS.get(name)
        beside = "" if target is None else f"≤ {target:,}  {'met' if value <= target else 'not met'}"
        print(f"{name.replace('_', ' '):<24}{value:>9,}  {beside}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
