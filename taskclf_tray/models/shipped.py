"""The starter model that comes with the program."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def starter_bundle() -> Path:
    """The bundle directory of the starter model, inside the installed package."""
    shipped = Path(str(resources.files("taskclf_tray") / "data" / "starter"))
    return next(path for path in sorted(shipped.iterdir()) if path.is_dir())
