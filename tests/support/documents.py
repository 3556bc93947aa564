"""The documents and scripts of the repository."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def load(script: str) -> ModuleType:
    """A script of `packaging/` as a module; the folder is no package."""
    spec = importlib.util.spec_from_file_location(Path(script).stem, ROOT / "packaging" / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
