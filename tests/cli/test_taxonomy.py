"""`taskclf-tray taxonomy`: init, validate, show."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskclf_tray.infer.taxonomy_file import starter_taxonomy_text
from tests.support.homes import CommandLine


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", capsys)


@pytest.fixture
def taxonomy(line: CommandLine) -> Path:
    return line.home / "configs" / "user_taxonomy.yaml"


def test_init_writes_the_starter_and_refuses_to_overwrite(line: CommandLine, taxonomy: Path) -> None:
    before = taxonomy.read_bytes()
    assert "There is already a taxonomy" in line.refused("taxonomy", "init")
    assert taxonomy.read_bytes() == before
    assert line.json("taxonomy", "init", "--force") == {"path": str(taxonomy)}
    assert taxonomy.read_text() == starter_taxonomy_text()
    taxonomy.unlink()
    taxonomy.parent.rmdir()
    assert line.call("taxonomy", "init")[0] == 0
    assert taxonomy.read_text() == starter_taxonomy_text()
    assert line.call("taxonomy", "validate")[0] == 0


def test_a_place_that_cannot_be_written_is_a_sentence(line: CommandLine, taxonomy: Path) -> None:
    taxonomy.unlink()
    taxonomy.parent.rmdir()
    taxonomy.parent.write_text("a file where a folder should be")
    said = line.refused("taxonomy", "init")
    assert str(taxonomy.parent) in said
    assert "cannot be read or written" in said
    assert "Check the permissions" in said


def test_validate_names_line_and_key(line: CommandLine, taxonomy: Path) -> None:
    assert line.json("taxonomy", "validate") == {"path": str(taxonomy), "is_valid": True, "problem": None}
    taxonomy.write_text("buckets:\n  - name: Code\n    core_labels: [Build]\n    color: green\n")
    code, out, err = line.call("taxonomy", "validate")
    assert (code, err) == (1, "")
    assert out.startswith("✗ Taxonomy user_taxonomy.yaml, line 4: buckets[0].color is")
    problem = line.json("taxonomy", "validate", code=1)["problem"]
    assert (problem["line"], problem["key"]) == (4, "buckets[0].color")
    taxonomy.unlink()
    assert "is missing" in line.call("taxonomy", "validate")[1]


def test_another_file_is_named(line: CommandLine, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("buckets:\n  - name: Code\n    core_labels: [Build, Debug]\n")
    assert line.call("taxonomy", "validate", str(other))[0] == 0
    _, out, _ = line.call("taxonomy", "show", str(other))
    assert "  Code (#7F8C8D): Build, Debug\n" in out
    assert "  Other: BreakIdle, Communicate, Meet, ReadResearch, Review, Write" in out
    other.unlink()
    assert "is missing" in line.refused("taxonomy", "show", str(other))


def test_show(line: CommandLine, taxonomy: Path) -> None:
    code, out, _ = line.call("taxonomy", "show")
    assert code == 0
    assert "  Deep Work (#2E86DE): Build, Debug, Review, Write\n" in out
    assert "below 0.55 or rejected: Mixed/Unknown" in out
    shown = line.json("taxonomy", "show")["taxonomy"]
    assert [bucket["name"] for bucket in shown["buckets"]][:2] == ["Deep Work", "Learning / Research"]
    taxonomy.write_text("buckets: 7\n")
    assert "line 1: buckets" in line.refused("taxonomy", "show")
    taxonomy.unlink()
    code, out, _ = line.call("taxonomy", "show")
    assert code == 0
    assert "the eight core labels are shown" in out
    assert line.json("taxonomy", "show")["taxonomy"] is None
