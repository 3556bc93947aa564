"""The set-up: what it installs is pinned, and it knows when there is nothing to do."""

from __future__ import annotations

import ast
import queue
import re
import sys
import threading
import tomllib
import venv
import zoneinfo
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.environments import PYTHONS, ROOT, load_environment, pins


def hashes(name: str) -> dict[str, frozenset[str]]:
    """Of each pin: a resolver that keeps a line may keep the hashes of another version under it."""
    text = (ROOT / "packaging" / "requirements" / name).read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    return {block.split()[0]: frozenset(re.findall(r"sha256:\w+", block)) for block in blocks}


@pytest.fixture
def environment() -> ModuleType:
    return load_environment()


def test_the_tests_run_on_what_people_run() -> None:
    """dev holds every pin of run: one folder serves both, and the tests say something about the application."""
    run, dev = pins("run.txt"), pins("dev.txt")
    different = {name for name in run if not run[name] <= dev.get(name, set())}
    assert different == set()
    assert hashes("run.txt").items() <= hashes("dev.txt").items()


def test_every_python_runs_the_same_versions() -> None:
    """What is tested with one Python is then tested for all; mypy reads numpy's stubs as the oldest Python does."""
    assert {name: versions for name, versions in pins("dev.txt").items() if len(versions) > 1} == {}


def test_the_server_of_the_tests_is_the_one_the_documents_name() -> None:
    assert pins("aw-server.txt")["aw-server"] == {"0.12.0"}


def test_what_make_run_sets_up_can_train_and_a_bare_installation_stays_small() -> None:
    """Training and the drift check have processes of their own, so what they load costs the application no memory."""
    heavy = {"lightgbm", "matplotlib", "pandas", "pyarrow", "scikit-learn", "scipy"}
    assert heavy <= set(pins("run.txt"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [need for need in project["dependencies"] if re.split(r"[^a-z0-9-]", need)[0] in heavy]


@pytest.fixture
def steps(environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a set-up of made-up plans does; nothing is installed."""
    done: list[str] = []
    (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = []\n[tool.ruff]\nline-length = 120\n")
    plans = {
        "run": environment.Plan("unused", "run.txt", project=tmp_path, included_in="dev"),
        "dev": environment.Plan("unused", "dev.txt", project=tmp_path),
    }
    for name, plan in plans.items():
        plan.folder, plan.requirements = tmp_path / ".venv", [tmp_path / f"{name}.txt"]
        plan.requirements[0].write_text("a==1\n")

    def create(plan: Any) -> None:
        done.append("create")
        venv.EnvBuilder(clear=True, with_pip=False, symlinks=True).create(plan.folder)

    def fill(plan: Any) -> None:
        done.append(f"fill {plan.requirements[0].stem}")
        (plan.folder / "half-installed").touch()

    monkeypatch.setattr(environment, "PLANS", plans)
    monkeypatch.setattr(environment, "OWN_FILES", [tmp_path / "environment.py"])
    (tmp_path / "environment.py").write_text("as it is")
    monkeypatch.setattr(environment, "create", create)
    monkeypatch.setattr(environment, "fill", fill)
    monkeypatch.setattr(environment, "check", lambda plan: done.append("check"))
    return done


def test_an_environment_is_current_until_its_inputs_change(
    environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = environment.Plan("unused", "run.txt")
    plan.folder = tmp_path
    plan.requirements = [tmp_path / "requirements.txt"]
    plan.requirements[0].write_text("a==1\n")
    monkeypatch.setitem(environment.PLANS, "run", plan)
    monkeypatch.setattr(environment, "is_usable", lambda python: True)

    assert not environment.is_current("run")
    environment.stamp("run").write_text(plan.fingerprint())
    assert environment.is_current("run")
    monkeypatch.setattr(environment, "is_usable", lambda python: False)
    assert not environment.is_current("run")
    monkeypatch.setattr(environment, "is_usable", lambda python: True)
    plan.requirements[0].write_text("a==2\n")
    assert not environment.is_current("run")


def test_make_test_adds_to_what_make_run_made(environment: ModuleType, steps: list[str]) -> None:
    for name in ("run", "run", "dev", "dev", "run"):
        environment.main(name)
    assert steps == ["create", "fill run", "check", "fill dev", "check"]


def test_make_run_has_nothing_to_do_after_make_test(environment: ModuleType, steps: list[str]) -> None:
    environment.main("dev")
    environment.main("run")
    assert steps == ["create", "fill dev", "check"]


@pytest.mark.parametrize("step", ["create", "fill", "check"])
@pytest.mark.parametrize("before", [[], ["run"]])
def test_a_set_up_that_was_cut_off_starts_over(
    step: str, before: list[str], environment: ModuleType, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip would take a half-installed package for an installed one."""
    for name in before:
        environment.main(name)
    if step == "create":
        environment.PLANS["run"].requirements[0].write_text("a==2\n")  # else nothing is created
    with monkeypatch.context() as cut:
        whole = getattr(environment, step)

        def cut_off(plan: Any) -> None:
            whole(plan)
            raise KeyboardInterrupt

        cut.setattr(environment, step, cut_off)
        with pytest.raises(KeyboardInterrupt):
            environment.main("dev")
    steps.clear()
    environment.main("dev")
    assert steps == ["create", "fill dev", "check"]
    assert environment.is_current("dev")


def change_requirements(environment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "dev.txt").write_text("a==2\n")


def change_dependencies(environment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pyproject.toml").write_text("[project]\ndependencies = ['a']\n")


def change_python(environment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version", sys.version.replace("3.", "3.1", 1))


def remove_python(environment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.PLANS["dev"].python.unlink()
    environment.PLANS["dev"].python.symlink_to(folder / "gone")


def break_python(environment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.PLANS["dev"].python.unlink()
    environment.PLANS["dev"].python.write_text("#!/bin/false\n")
    environment.PLANS["dev"].python.chmod(0o755)


def move_checkout(environment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts in an environment name its folder."""
    (folder / ".venv").rename(folder / "moved")
    for plan in environment.PLANS.values():
        plan.folder = folder / "moved"


def update_the_set_up(environment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for environments that were made before their packages were checked."""
    (folder / "environment.py").write_text("as it was")


def damage_stamp(environment: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.stamp("dev").write_bytes(b"\xff")


@pytest.mark.parametrize(
    "change",
    [
        change_requirements,
        change_dependencies,
        change_python,
        remove_python,
        break_python,
        move_checkout,
        update_the_set_up,
        damage_stamp,
    ],
)
def test_what_makes_an_environment_wrong_makes_it_anew(
    change: Any, environment: ModuleType, steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.main("dev")
    left_over = environment.PLANS["dev"].folder / "left-over"
    left_over.touch()
    steps.clear()
    change(environment, tmp_path, monkeypatch)
    environment.main("dev")
    assert steps == ["create", "fill dev", "check"]
    assert not (environment.PLANS["dev"].folder / "left-over").exists()


def test_a_change_of_other_tables_changes_no_environment(
    environment: ModuleType, steps: list[str], tmp_path: Path
) -> None:
    environment.main("dev")
    text = (tmp_path / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(text.replace("120", "100"))
    assert environment.is_current("dev")


def test_a_second_make_waits_for_the_first(
    environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    events: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(environment, "print", lambda text, flush: events.put(text), raising=False)

    def second() -> None:
        with environment.one_at_a_time():
            events.put("second")

    with environment.one_at_a_time():
        thread = threading.Thread(target=second)
        thread.start()
        assert events.get(timeout=60).startswith("Another make")
        events.put("first is finished")
    thread.join(60)
    assert [events.get_nowait(), events.get_nowait()] == ["first is finished", "second"]


@pytest.mark.parametrize(("limit", "version"), [("OLDEST", (4, 0)), ("NEWEST", (3, 0))])
def test_an_old_python_is_told_what_to_do(
    limit: str, version: tuple[int, int], environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, limit, version)
    with pytest.raises(SystemExit, match="make PYTHON="):
        environment.refuse_unsuitable_python()


def test_an_old_python_gets_as_far_as_the_refusal() -> None:
    """Python 3.6 knows neither the future annotations nor the modules that are imported after it."""
    tree = ast.parse((ROOT / "packaging" / "setup" / "environment.py").read_text(), feature_version=(3, 6))
    kinds = [type(node).__name__ for node in tree.body[: [type(node) for node in tree.body].index(ast.If) + 1]]
    assert kinds == ["Expr", "Import", "Assign", "FunctionDef", "If"]


def test_the_classifiers_name_the_pythons_that_the_requirement_files_are_for(environment: ModuleType) -> None:
    """packaging/setup/lock.py refuses files without a wheel for each of these."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in project["classifiers"]]
    assert [match[1] for match in named if match] == PYTHONS
    assert PYTHONS[0] == f"{environment.OLDEST[0]}.{environment.OLDEST[1]}"
    assert PYTHONS[-1] == f"{environment.NEWEST[0]}.{environment.NEWEST[1]}"
    assert project["requires-python"] == f">={PYTHONS[0]}"


def test_time_zones_are_known_where_the_system_has_none() -> None:
    """A slim system has no zone files, and Debian's lack the old names; both are in the tzdata package."""
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [need for need in needs if need.startswith("tzdata") and ";" not in need]
    try:
        zoneinfo.reset_tzpath(to=[])
        zone = zoneinfo.ZoneInfo.no_cache("US/Pacific")
    finally:
        zoneinfo.reset_tzpath()
    assert datetime(2026, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=-7)
