"""The locked requirements, and the script that installs them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


REQUIREMENTS = ROOT / "packaging" / "requirements"


PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def pins(name: str) -> dict[str, set[str]]:
    """Version and marker of each package, of a file whose every entry must be pinned and hashed."""
    found: dict[str, set[str]] = {}
    for entry in re.split(r"\n(?=\w)", (REQUIREMENTS / name).read_text(encoding="utf-8").strip()):
        match = re.match(r"([\w.-]+)==(\S+)( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry)
        assert match, entry
        found.setdefault(match[1], set()).add(match[2])
    return found


def load_environment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", ROOT / "packaging" / "setup" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
