"""The wheel: built, installed into a fresh environment, and tried there, away from this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from taskclf_tray import __version__

ROOT = Path(__file__).resolve().parents[2]
DATA_SUFFIXES = {".csv", ".json", ".txt", ".yaml", ".typed", ".sql"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)], ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel; its dependencies are lent by the one the tests run in."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--ignore-installed",  # else pip takes the project out of the environment the tests run in
            "--prefix",
            str(folder),
            str(wheel),
        ]
    )
    lent = sysconfig.get_path("purelib")
    # a path line only: addsitedir would also read the .pth file that makes this checkout importable
    (site / "lent.pth").write_text(f"{lent}\n")
    (folder / "bin" / "taskclf-tray").write_text(
        (folder / "bin" / "taskclf-tray").read_text().replace(sys.executable, str(folder / "bin" / "python"))
    )
    return folder / "bin"


def run(command: list[str], folder: Path | None = None, home: Path | None = None) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home or Path.home()), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_holds_the_package_and_all_of_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sources = {path for path in (ROOT / "taskclf_tray").rglob("*") if path.suffix in DATA_SUFFIXES | {".py"}}
    assert {path.relative_to(ROOT).as_posix() for path in sources} <= names
    assert {name.split("/")[0] for name in names} == {"taskclf_tray", f"taskclf_tray-{__version__}.dist-info"}


def test_the_same_tree_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)], ROOT)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_console_script_answers(installed: Path, tmp_path: Path) -> None:
    script = str(installed / "taskclf-tray")
    assert __version__ in run([script, "--version"], tmp_path, tmp_path)
    assert {"run", "demo", "doctor"} <= set(run([script, "--help"], tmp_path, tmp_path).replace(",", " ").split())


def test_what_is_imported_is_the_wheel_with_its_data(installed: Path, tmp_path: Path) -> None:
    code = """
import json
from importlib.resources import files
import taskclf_tray
from taskclf_tray.core.schema import SCHEMAS  # reads its table from the package
def walk(folder):
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from walk(entry)
        elif not entry.name.endswith((".py", ".pyc")):
            yield entry.name
print(json.dumps({"file": taskclf_tray.__file__, "data": sorted(walk(files("taskclf_tray")))}))
"""
    answer = json.loads(run([str(installed / "python"), "-c", code], tmp_path, tmp_path))
    assert Path(answer["file"]).is_relative_to(installed.parent)
    assert {
        "app_registry.csv",
        "domain_registry.csv",
        "model.txt",
        "metadata.json",
        "app.png",
        "masks.png",
        "py.typed",
    } <= set(answer["data"])


def test_the_installed_demo_labels_minutes(installed: Path, tmp_path: Path) -> None:
    """The smoke test: simulated events through the shipped starter model, in an empty home."""
    command = [str(installed / "taskclf-tray"), "run", "--headless", "--json", "--once", "--source", "simulated"]
    lines = [
        json.loads(line) for line in run([*command, "--home", str(tmp_path / "home")], tmp_path, tmp_path).splitlines()
    ]
    assert any(line["event"] == "bucket" for line in lines)
