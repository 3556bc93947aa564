"""The learning benchmark runs, its figures are whole, and its page has a place for every table."""

from __future__ import annotations

import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.bench import learning_plot, learning_tables
from tests.bench.bench_learning import BASELINES, VARIANTS, Size, run
from tests.bench.learning_curve import TARGET
from tests.bench.learning_people import make_person

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "learning.md"
SMALL = Size(personas=("writer",), people_each=1, blocks=(12,), judged_days=1)


@cache
def figures() -> dict[str, Any]:
    return run(SMALL, 4200)


def test_every_model_is_judged_and_none_is_perfect() -> None:
    models = figures()["models"]
    assert list(models) == [*BASELINES, "starter", "12 blocks", TARGET]
    assert models["starter"]["ece"] is not None
    assert models["rules"]["ece"] is None
    assert models[TARGET]["macro_f1"] > max(models[name]["macro_f1"] for name in BASELINES)
    assert figures()["best_macro_f1_of_any_cell"] < 1.0
    assert set(figures()["targets"]) == {"macro_f1", "ece", "accuracy_at_60"}
    assert abs(models[TARGET]["minutes_taught"] - 200) < 30


def test_people_are_the_same_again_and_answer_block_by_block() -> None:
    first, second = (make_person("writer", 1, 4300, 2, 1) for _ in range(2))
    assert first.answers == second.answers
    assert first.judged == second.judged
    assert len(first.first_blocks(5)) == 5
    assert {answer.day for answer in first.answers} == {0, 1}


def test_the_figures_can_be_drawn_and_written_down(tmp_path: Path) -> None:
    page = tmp_path / "learning.md"
    shutil.copy(PAGE, page)
    learning_plot.draw(SMALL.blocks, figures()["models"], figures()["personas"], BASELINES, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    learning_tables.write_tables(page, figures(), is_variants=False)
    assert f"| {figures()['models'][TARGET]['macro_f1']:.3f} |" in page.read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8").count("| writer |") == 1
    json.dumps(figures())


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "other.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no place"):
        learning_tables.write_tables(page, figures(), is_variants=False)


def test_the_page_shows_every_persona_and_every_variant() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in (*Size().personas, *VARIANTS):
        assert re.search(rf"^\| {re.escape(name)} \|", page, re.MULTILINE), name
    assert "](learning.png)" in page
    assert (ROOT / "docs" / "learning.png").exists()
    assert "docs/learning.md" in (ROOT / "README.md").read_text(encoding="utf-8")
