"""Which bundle the active pointer or the ranking chooses, with the reason for every bundle that is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskclf_tray.core.errors import ModelError
from taskclf_tray.core.models import Model
from taskclf_tray.models.registry import (
    ActivePointer,
    BundleInfo,
    active_bundle_dir,
    bundle_info,
    list_bundles,
    set_active,
)


@dataclass(frozen=True, slots=True)
class SelectionPolicy(Model):
    """How bundles are ranked; there is one way so far (contract, section 9)."""

    version: int = 1

    def __post_init__(self) -> None:
        if self.version != 1:
            raise ValueError(f"selection policy {self.version} is not known, only 1 is")


@dataclass(frozen=True, slots=True)
class ExclusionRecord(Model):
    """A bundle that was considered and cannot be served."""

    model_id: str
    reason: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class SelectionReport:
    """The bundles that can be served, best first, and those that cannot with the reason."""

    ranked: list[BundleInfo] = field(default_factory=list)
    excluded: list[ExclusionRecord] = field(default_factory=list)
    policy: SelectionPolicy = field(default_factory=SelectionPolicy)

    @property
    def best(self) -> BundleInfo | None:
        """The first of `ranked`."""
        return self.ranked[0] if self.ranked else None


def resolve_active_model(
    models_dir: Path, policy: SelectionPolicy | None = None
) -> tuple[BundleInfo | None, SelectionReport | None]:
    """(the bundle active.json names, None); without a usable pointer (the best bundle or None, the report).

    Writes nothing, also where the pointer is of no use.
    """
    models_dir = Path(models_dir)
    try:
        folder = active_bundle_dir(models_dir)
    except ModelError:
        folder = None
    if folder is not None:
        info = bundle_info(folder)
        if info.problem is None:
            return info, None
    report = select(models_dir, policy)
    return report.best, report


def select(models_dir: Path, policy: SelectionPolicy | None = None) -> SelectionReport:
    """Rank every bundle in `models_dir`."""
    found = list_bundles(models_dir)
    ranked = [info for info in found if info.problem is None]
    excluded = [ExclusionRecord(info.name, info.problem, info.path) for info in found if info.problem is not None]
    return SelectionReport(ranked, excluded, policy or SelectionPolicy())


def write_active_atomic(
    models_dir: Path,
    bundle: BundleInfo,
    policy: SelectionPolicy | None = None,
    reason: str | Mapping[str, Any] | None = None,
) -> ActivePointer:
    """Point active.json at the bundle, in one step, and append the switch to the history.

    `reason`: a note, kept beside the bundle's scores. Raises ModelFormatError for a bundle outside the home, OSError,
    HomeBusyError.
    """
    if policy is not None:
        SelectionPolicy(policy.version)
    if isinstance(reason, str):
        reason = {"metric": "macro_f1", "macro_f1": bundle.macro_f1, "weighted_f1": bundle.weighted_f1, "note": reason}
    return set_active(models_dir, bundle.path, reason)
