"""The documents promise what exists, and name what exists."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from pathlib import Path

import pytest

from taskclf_tray.app import text
from taskclf_tray.cli.main import build_parser
from taskclf_tray.core.config import WITHOUT_EFFECT, Config
from tests.bench import desktops
from tests.support.documents import ROOT, load

DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)
README_WORDS = 900
PICTURE_BYTES = 300_000
COMMAND_LINE = "docs/command-line.md"


def read(name: str) -> str:
    """A document of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


README = read("README.md")
REFERENCE_PAGES = load("reference_pages.py")


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


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= README_WORDS


def test_the_documents_name_every_command_and_no_other() -> None:
    named = {cell.split()[1] for cell in first_cells(read(COMMAND_LINE)) if cell.startswith("taskclf-tray ")}
    assert named == set(commands(build_parser()))


def test_the_documents_name_every_option_and_no_other() -> None:
    """The options of all commands stand before the first section, those of a command in its own."""
    page = read(COMMAND_LINE)
    everywhere = option_cells(page.split("\n## ", 1)[0])
    documented = {name: everywhere | option_cells(section(page, name)) for name in commands(build_parser())}
    assert documented == {name: options(command) for name, command in commands(build_parser()).items()}


def option_cells(markdown: str) -> set[str]:
    """The long options in the first column of the tables."""
    return {cell for cell in first_cells(markdown) if cell.startswith("--")}


@pytest.mark.parametrize("name", REFERENCE_PAGES.PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    page = read(f"docs/{name}")
    assert REFERENCE_PAGES.PAGES[name](page) == page, "run make reference"


def test_a_page_without_a_table_of_the_code_is_refused() -> None:
    with pytest.raises(SystemExit, match="The page has the tables"):
        REFERENCE_PAGES.settings("<!-- generated: settings -->\n<!-- end -->\n")


def test_settings_and_their_defaults() -> None:
    import tomllib

    rows = re.findall(r"^\| `([a-z_]+)` \| `([^`]*)` \|", read("docs/settings.md"), re.MULTILINE)
    assert {key for key, _ in rows} == set(Config.model_fields) - set(WITHOUT_EFFECT)
    for key, default in rows:
        value = getattr(Config(), key)
        assert key in Config.model_fields
        assert tomllib.loads(f"x = {default}")["x"] == (list(value) if isinstance(value, tuple) else value)


def test_the_documents_name_every_menu_entry_and_no_other() -> None:
    entries = {value for name, value in vars(text).items() if name.startswith("MENU_")}
    tray = read("docs/tray.md")
    menu = section(tray, "The menu")
    assert entries - set(re.findall(r"`([^`]+)`", tray)) == set()
    assert set(first_cells(menu)) - entries == set()


def test_rooms() -> None:
    rooms = {cell.rstrip("/") for cell in first_cells(section((ROOT / "ARCHITECTURE.md").read_text("utf-8"), "Rooms"))}
    packages = {path.parent.name for path in (ROOT / "taskclf_tray").glob("*/__init__.py")}
    assert rooms == packages


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_and_folders_named_exist(name: str) -> None:
    document = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|packaging|taskclf_tray|\.ci)/[\w./-]*)`", document)
    named += [f"taskclf_tray/{path}" for path in re.findall(r"`((?:core|infer|ui)/[\w./]+)`", document)]
    rooms = "|".join(path.parent.name for path in (ROOT / "taskclf_tray").glob("*/__init__.py"))
    named += [f"taskclf_tray/{path}" for path in re.findall(rf"`((?:{rooms})/[\w./]+\.py)`", document)]
    named += re.findall(r"\]\(([A-Z]+(?:\.md)?)\)", document)
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    """Relative links and pictures exist, and so do the headings they name."""
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(read(name))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = ROOT / Path(name).parent / path if path else ROOT / name
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            dead.append(target)
    assert dead == []


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    assert pictures
    assert max(path.stat().st_size for path in pictures) <= PICTURE_BYTES


@pytest.mark.parametrize(
    ("heading", "anchor"), [("3. Events → buckets", "3-events--buckets"), ("`a_b`: it’s C", "a_b-its-c")]
)
def test_an_anchor_is_made_of_its_heading(heading: str, anchor: str) -> None:
    assert anchors(f"# One\n\n## {heading}\n") == {"one", anchor}


def anchors(markdown: str) -> set[str]:
    """The names of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(markdown), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def without_code(markdown: str) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)


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


def decisions() -> list[str]:
    """The pages of the decisions, in their order."""
    return sorted(name for name in DOCUMENTS if re.match(r"docs/decisions/\d{4}-", name))


@pytest.mark.parametrize("name", decisions())
def test_a_decision_has_context_decision_and_consequences(name: str) -> None:
    page = read(name)
    assert page.startswith(f"# {int(Path(name).name[:4])}. ")
    headings = ("Context", "Decision", "Consequences")
    assert tuple(re.findall(r"^## (.+)$", page, re.MULTILINE)) == headings
    assert all(section(page, heading).strip() for heading in headings)


def test_the_index_of_decisions_has_each_by_its_title_and_in_order() -> None:
    index = re.findall(r"^(\d+)\. \[(.+)\]\((.+)\)$", section(read("ARCHITECTURE.md"), "Decisions"), re.MULTILINE)
    assert [path for _, _, path in index] == decisions()
    for place, (number, title, path) in enumerate(index, 1):
        assert int(number) == place
        assert read(path).splitlines()[0] == f"# {number}. {title}"


def test_the_table_of_desktops_is_what_was_seen() -> None:
    results = json.loads(read("docs/desktops.json"))
    assert {result["desktop"] for result in results} == {recipe.name for recipe in desktops.RECIPES}
    assert desktops.table(results) in read("docs/platforms.md")
    assert [result["desktop"] for result in results if result["starts_kept"] not in (desktops.STARTS, None)] == []
