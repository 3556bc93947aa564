"""The documents promise what exists, and name what exists."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from taskclf_tray.app import text
from taskclf_tray.cli.main import build_parser
from taskclf_tray.core.config import Config
from taskclf_tray.core.config_keys import KEYS, WITHOUT_EFFECT

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(document: str, title: str) -> str:
    """The text below `## title`, to the next heading of that level."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    assert match, f"no section {title!r}"
    return match[1]


def first_cells(markdown: str) -> list[str]:
    """What stands in backticks in the first column of the tables."""
    rows = re.findall(r"^\| *([^|]*?) *\|", markdown, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has no commands")


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Long options a person is told about."""
    shown = [action for action in parser._actions if action.help is not argparse.SUPPRESS]
    own = {name for action in shown for name in action.option_strings if name.startswith("--")} - {"--help"}
    nested = [action.choices.values() for action in shown if isinstance(action, argparse._SubParsersAction)]
    return own.union(*(options(command) for group in nested for command in group))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_named_exists(name: str) -> None:
    document = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", document, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets


def test_the_readme_begins_with_the_two_commands() -> None:
    lines = [line.split("#")[0].strip() for line in README.splitlines()[1:] if line.strip()]
    assert lines[:2] == ["make run", "make test"]


def test_the_readme_names_every_command_and_no_other() -> None:
    named = {
        cell.split()[1] for cell in first_cells(section(README, "Command line")) if cell.startswith("taskclf-tray ")
    }
    assert named == set(commands(build_parser()))


def test_the_readme_names_every_option_and_no_other() -> None:
    documented: dict[str, set[str]] = {name: set() for name in commands(build_parser())}
    rows = re.findall(r"^\| `(--[a-z-]+)` \| ([a-z, ]+) \|", section(README, "Command line"), re.MULTILINE)
    for option, owners in rows:
        for name in documented if owners == "all" else owners.split(", "):
            documented[name].add(option)
    assert documented == {name: options(command) for name, command in commands(build_parser()).items()}


def test_settings_and_their_defaults() -> None:
    import tomllib

    rows = re.findall(r"^\| `([a-z_]+)` \| `([^`]*)` \|", section(README, "Settings"), re.MULTILINE)
    assert {key for key, _ in rows} == set(KEYS) - WITHOUT_EFFECT
    for key, default in rows:
        value = getattr(Config(), key)
        assert key in KEYS
        assert tomllib.loads(f"x = {default}")["x"] == (list(value) if isinstance(value, tuple) else value)


def test_the_readme_names_every_menu_entry_and_no_other() -> None:
    entries = {value for name, value in vars(text).items() if name.startswith("MENU_")}
    tray = section(README, "The tray")
    assert entries - set(re.findall(r"`([^`]+)`", tray)) == set()
    assert set(first_cells(tray)) - entries == set()


def test_rooms() -> None:
    rooms = {cell.rstrip("/") for cell in first_cells(section((ROOT / "ARCHITECTURE.md").read_text("utf-8"), "Rooms"))}
    packages = {path.parent.name for path in (ROOT / "taskclf_tray").glob("*/__init__.py")}
    assert rooms == packages


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_and_folders_named_exist(name: str) -> None:
    document = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|packaging|taskclf_tray|\.ci)/[\w./-]*)`", document)
    named += [f"taskclf_tray/{path}" for path in re.findall(r"`((?:core|infer|ui)/[\w./]+)`", document)]
    named += re.findall(r"\]\(([A-Z]+(?:\.md)?)\)", document)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_changelog_has_the_version() -> None:
    from taskclf_tray import __version__

    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_machine_and_no_package_index_is_named_in_the_tree() -> None:
    """Nothing of the machine this was written on: it would be wrong on every other one."""
    found = []
    forbidden = re.compile(
        "|".join(["/" + "work/", "/" + "root/", "python" + "hosted", "py" + r"pi\.", "index" + "-url h"])
    )
    for path in tracked_files():
        if forbidden.search(path.read_bytes().decode("utf-8", "replace")):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]
