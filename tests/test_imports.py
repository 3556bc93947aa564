"""What the tray process may load, seen from outside: a fresh interpreter, and what is in its sys.modules."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import taskclf_tray
from tests.support.import_contracts import DOORS

FORBIDDEN = (
    "lightgbm",
    "matplotlib",
    "numpy.random",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
)
HEAVY_ROOMS = ("taskclf_tray.drift", "taskclf_tray.jobs", "taskclf_tray.train")
"""Their modules run in child processes; the few that others use are loaded by those."""
PROBE = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def test_nothing_the_tray_can_import_loads_a_heavy_library() -> None:
    """Every module outside these rooms, all in one process: numpy.random alone would cost 7 MiB of the 80."""
    names = _own_modules()
    assert {"taskclf_tray.core.types", "taskclf_tray.infer.forest", "taskclf_tray.notify.desktop"} <= set(names)
    assert _heavy(_loaded_by(names)) == []


def test_the_probe_sees_what_it_looks_for() -> None:
    assert _heavy(_loaded_by(["numpy.random"])) == ["numpy.random"]
    assert "scipy" in _heavy(_loaded_by(["lightgbm"]))


def test_rooms_below_the_tray_load_no_desktop_and_no_network_library() -> None:
    names = [name for name in _own_modules() if name.split(".")[1] in ("core", "features", "infer")]
    loaded = _loaded_by(names)
    assert {"PIL", "dbus_fast", "desktop_notifier", "pystray", "requests", "sqlite3", "urllib3"} & loaded == set()


def test_a_label_command_starts_without_pydantic() -> None:
    """It would be half of what `labels now` takes to start."""
    assert "pydantic" not in _loaded_by(["taskclf_tray.cli.main", "taskclf_tray.cli.labels"])
    assert "pydantic" in _loaded_by(["taskclf_tray.core.config"])


def _own_modules() -> list[str]:
    found = pkgutil.walk_packages(taskclf_tray.__path__, "taskclf_tray.")
    names = (module.name for module in found if not module.name.endswith("__main__"))  # importing one starts it
    return [
        name for name in names if name not in DOORS and not f"{name}.".startswith(tuple(f"{r}." for r in HEAVY_ROOMS))
    ]


def _heavy(loaded: set[str]) -> list[str]:
    return [name for name in FORBIDDEN if name in loaded]


def _loaded_by(names: list[str]) -> set[str]:
    command = [sys.executable, "-c", PROBE, json.dumps(names)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout))


def test_no_test_imports_another_test() -> None:
    """What two tests share lies in tests/support, where it can be found."""
    tests = Path(__file__).parent
    assert [line for path in tests.rglob("*.py") for line in _imports_of_tests(path.read_text(encoding="utf-8"))] == []
    assert _imports_of_tests("from tests.app.test_today import rig\n") != []


def _imports_of_tests(source: str) -> list[str]:
    return re.findall(r"^(?:from|import) tests\S*\.test_\w+.*$", source, re.MULTILINE)
