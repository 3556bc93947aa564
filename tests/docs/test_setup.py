"""The set-up: what it installs is pinned, and it knows when there is nothing to do."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "packaging" / "requirements"


def pins(name: str) -> dict[str, set[str]]:
    """Version and marker of each package, of a file whose every entry must be pinned and hashed."""
    found: dict[str, set[str]] = {}
    for entry in re.split(r"\n(?=\w)", (REQUIREMENTS / name).read_text(encoding="utf-8").strip()):
        match = re.match(r"([\w.-]+)==(\S+)( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry)
        assert match, entry
        found.setdefault(match[1], set()).add(match[2])
    return found


def hashes(name: str) -> dict[str, frozenset[str]]:
    """Of each pin: a resolver that keeps a line may keep the hashes of another version under it."""
    text = (ROOT / "packaging" / "requirements" / name).read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    return {block.split()[0]: frozenset(re.findall(r"sha256:\w+", block)) for block in blocks}


@pytest.fixture
def environment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", ROOT / "packaging" / "setup" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tests_run_on_what_people_run() -> None:
    """dev holds every pin of run: one folder serves both, and the tests say something about the application."""
    run, dev = pins("run.txt"), pins("dev.txt")
    different = {name for name in run if not run[name] <= dev.get(name, set())}
    assert different == set()
    assert hashes("run.txt").items() <= hashes("dev.txt").items()


def test_the_server_of_the_tests_is_the_one_the_documents_name() -> None:
    assert pins("aw-server.txt")["aw-server"] == {"0.12.0"}


def test_what_make_run_sets_up_can_train_and_a_bare_installation_stays_small() -> None:
    """Training and the drift check have processes of their own, so what they load costs the application no memory."""
    heavy = {"lightgbm", "matplotlib", "pandas", "pyarrow", "scipy"}
    assert heavy <= set(pins("run.txt"))
    assert not {"scikit-learn", "pydantic"} & set(pins("run.txt"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [need for need in project["dependencies"] if re.split(r"[^a-z0-9-]", need)[0] in heavy]


def test_an_environment_is_current_until_its_inputs_change(
    environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = environment.Plan("unused", "run.txt", project=False)
    plan.folder = tmp_path
    plan.requirements = tmp_path / "requirements.txt"
    plan.requirements.write_text("a==1\n")
    monkeypatch.setitem(environment.PLANS, "run", plan)
    monkeypatch.setattr(environment, "is_usable", lambda python: True)

    assert not environment.is_current("run")
    environment.stamp("run").write_text(plan.fingerprint())
    assert environment.is_current("run")
    monkeypatch.setattr(environment, "is_usable", lambda python: False)
    assert not environment.is_current("run")
    monkeypatch.setattr(environment, "is_usable", lambda python: True)
    plan.requirements.write_text("a==2\n")
    assert not environment.is_current("run")


def test_an_old_python_is_told_what_to_do(environment: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "OLDEST", (4, 0))
    with pytest.raises(SystemExit, match="make PYTHON="):
        environment.refuse_unsuitable_python()
