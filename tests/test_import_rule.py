"""The contracts of the import rule can fail: an upward import, a room that goes through a door, a heavy library."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.configuration import configure
from importlinter.domain.contract import Contract

import taskclf_tray
from tests.support.import_contracts import DOORS, DoorsContract, RoomsContract, RoomsForbidContract

ROOT = Path(taskclf_tray.__file__).parents[1]
KINDS = {"doors": DoorsContract, "rooms": RoomsContract, "rooms_forbid": RoomsForbidContract}
SESSION: dict[str, Any] = {"root_packages": ["taskclf_tray"], "include_external_packages": True}


def contracts() -> list[dict[str, Any]]:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return list(rules["contracts"])


def broken(graph: grimp.ImportGraph) -> list[str]:
    """The names of the contracts that a graph breaks."""
    found = []
    for options in contracts():
        rest = {key: value for key, value in options.items() if key not in ("name", "type")}
        contract: Contract = KINDS[options["type"]](options["name"], SESSION, rest)
        if not contract.check(grimp_copy(graph), verbose=False).kept:
            found.append(options["name"])
    return found


def grimp_copy(graph: grimp.ImportGraph) -> grimp.ImportGraph:
    """A contract takes modules out of the graph it is given."""
    copy = grimp.ImportGraph()
    for module in graph.modules:
        copy.add_module(module, is_squashed=graph.is_module_squashed(module))
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            copy.add_import(importer=importer, imported=imported)
    return copy


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    configure()
    return grimp.build_graph(
        "taskclf_tray", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )


def test_the_rooms_as_they_are_keep_every_contract_without_an_exception(graph: grimp.ImportGraph) -> None:
    assert broken(graph) == []
    assert [options["name"] for options in contracts() if "ignore_imports" in options] == []
    assert set(DOORS) <= graph.modules


@pytest.mark.parametrize(
    ("importer", "imported", "name"),
    [
        ("taskclf_tray.features.build", "taskclf_tray.labels.spans", "A room imports only from the rooms below it"),
        ("taskclf_tray.core.time", "taskclf_tray.app.text", "A room imports only from the rooms below it"),
        ("taskclf_tray.app.worker", "taskclf_tray.infer.monitor", "Doors are for others: no room goes through one"),
        ("taskclf_tray.ui.tray", "pandas", "Only training and the drift check load the heavy libraries"),
        ("taskclf_tray.infer.forest", "sqlite3", "Rows and predictions need no window, no connection and no database"),
        ("taskclf_tray.adapters.raw", "sqlite3", "Reading events needs no database"),
    ],
)
def test_one_wrong_import_breaks_the_contract_that_is_about_it(
    graph: grimp.ImportGraph, importer: str, imported: str, name: str
) -> None:
    wrong = grimp_copy(graph)
    if imported not in wrong.modules:
        wrong.add_module(imported, is_squashed=True)
    wrong.add_import(importer=importer, imported=imported)
    assert name in broken(wrong)
