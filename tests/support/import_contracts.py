"""The import rule with doors: modules at the paths of the inference documents, which re-export from higher rooms.

A door is taken out of the graph before the rooms are judged; that no room uses one is a contract of its own.
"""

from __future__ import annotations

from typing import Any

from grimp import ImportGraph
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract
from importlinter.domain.contract import ContractCheck

DOORS = (
    "taskclf_tray.core.drift",
    "taskclf_tray.core.identity",
    "taskclf_tray.core.inference_policy",
    "taskclf_tray.core.model_io",
    "taskclf_tray.infer.calibration",
    "taskclf_tray.infer.monitor",
    "taskclf_tray.infer.online",
    "taskclf_tray.infer.resolve",
    "taskclf_tray.infer.taxonomy",
    "taskclf_tray.model_registry",
    "taskclf_tray.ui.runtime",
)


def without_doors(graph: ImportGraph) -> ImportGraph:
    """The same graph without them."""
    for door in DOORS:
        graph.remove_module(door)
    return graph


class RoomsContract(LayersContract):  # type: ignore[misc]
    """`layers`, for everything but the doors."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Judge the rooms."""
        return super().check(without_doors(graph), verbose)


class RoomsForbidContract(ForbiddenContract):  # type: ignore[misc]
    """`forbidden`, for everything but the doors."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Judge the rooms."""
        return super().check(without_doors(graph), verbose)


class DoorsContract(ProtectedContract):  # type: ignore[misc]
    """No module of the application imports a door."""

    def __init__(self, name: str, session_options: dict[str, Any], contract_options: dict[str, Any]) -> None:
        options = {**contract_options, "protected_modules": list(DOORS), "allowed_importers": []}
        super().__init__(name, session_options, options)
