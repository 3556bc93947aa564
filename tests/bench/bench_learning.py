"""How fast the app learns a person's work: `make bench-learning`, or `python -m tests.bench.bench_learning [--quick]`.

Simulated people (`learning_people.py`) of six personas, harder than those the shipped model was made from, label blocks
of their days, ten a day, as the app cuts and chooses them. After 10, 25, 50, 100 and 200 blocks, and after 200 minutes
on three days, a model is trained as the app trains it (`learning_curve.py`) and judged on working days that come after
all labelled ones, every minute of them that is wholly of one kind of work. Beside it: the shipped model before any
label, rules by program and kind of site, and always the most common label.

Macro-F1 and accuracy count all minutes, with those of the idle rule; calibration error (15 bins of equal mass) and the
accuracy of the surest 60 and 80 % count the model's minutes alone. All are means over people, with the standard error.
`smoothed` is after the majority vote of three minutes, `hmm` after the hidden Markov model in its place.

Prints JSON; `--plot` draws the curves, `--document` writes the tables into the page that explains them
(`docs/learning.md`). The defaults of training were chosen on people with the seeds 8000 and after (`--variants`); those
judged here are others. `--quick` takes less than a minute, all of it about ten.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from taskclf_tray.core.types import LabelSpan
from taskclf_tray.simulation.personas import PERSONAS
from taskclf_tray.train.fit import FitOptions
from tests.bench.learning_curve import (
    TARGET,
    TARGET_DAYS,
    TARGET_MINUTES,
    USUAL,
    Cell,
    as_shipped,
    by_majority,
    by_rules,
    judged_minutes,
    learnt,
)
from tests.bench.learning_people import ANSWERS_A_DAY, Person, make_person
from tests.bench.learning_plot import draw
from tests.bench.learning_tables import write_tables

FIRST_SEED: Final = 9100
CHOOSING_SEED: Final = 8000
"""Of the people on whom defaults were chosen."""
BASELINES: Final = ("rules", "majority")
TARGETS: Final[Mapping[str, float]] = {"macro_f1": 0.70, "ece": 0.05, "accuracy_at_60": 0.92}
NO_FIGURES: Final = frozenset({"persona", "seed", "watched", "model"})
ROOT: Final = Path(__file__).parents[2]
PLOT: Final = ROOT / ".artefacts" / "learning.png"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated and learnt."""

    personas: tuple[str, ...] = tuple(PERSONAS)
    people_each: int = 2
    blocks: tuple[int, ...] = (10, 25, 50, 100, 200)
    judged_days: int = 4
    with_target: bool = True

    @property
    def taught_days(self) -> int:
        """Enough for the most blocks."""
        return max(-(-max(self.blocks) // ANSWERS_A_DAY) + 1, TARGET_DAYS)


QUICK: Final = Size(personas=("developer", "browser-only"), people_each=1, blocks=(10, 25), judged_days=2)

VARIANTS: Final[Mapping[str, FitOptions]] = {
    "as it is": FitOptions(),
    "no guesses": FitOptions(pseudo_label_weight=0.0),
    "guesses weigh 0.3": FitOptions(pseudo_label_weight=0.3),
    "prior never fades": FitOptions(prior_blocks=1e9),
    "no prior": FitOptions(prior_blocks=1e-9),
    "the model that guesses grown in full": FitOptions(pseudo_label_rounds=100),
    "every minute of a block counts": FitOptions(block_minutes=None),
    "feature_fraction 0.3": FitOptions(params={"feature_fraction": 0.3}),
    "learning_rate 0.1": FitOptions(params={"learning_rate": 0.1}),
    "hour and weekday from the first day": FitOptions(clock_days=0),
    "half-life of 7 days": FitOptions(recency_half_life_days=7.0),
    "a fifth of the categories masked": FitOptions(unknown_category_mask_rate=0.2),
    "7 leaves, 20 minutes each": FitOptions(params={"num_leaves": 7, "min_data_in_leaf": 20}),
}


def run(size: Size = Size(), first_seed: int = FIRST_SEED, options: FitOptions = USUAL) -> dict[str, Any]:
    """Means by model, by persona and by what is watched; every cell; and whether the targets are met."""
    began = time.monotonic()
    cells: list[Cell] = []
    for number, (persona, seed) in enumerate(_everybody(size, first_seed)):
        cells += cells_of(make_person(persona, number, seed, size.taught_days, size.judged_days), size, options)
    found: dict[str, Any] = {
        "people": size.people_each * len(size.personas),
        "judged_days_each": size.judged_days,
        "blocks": list(size.blocks),
        "models": means_of(cells, lambda cell: cell.model),
        "personas": _nested(cells, lambda cell: cell.persona),
        "watched": _nested(cells, lambda cell: cell.watched),
        "best_macro_f1_of_any_cell": round(max(cell.macro_f1 for cell in cells), 4),
        "cells": [_rounded(asdict(cell)) for cell in cells],
        "seconds": round(time.monotonic() - began),
    }
    if size.with_target:
        found["targets"] = _targets(found["models"][TARGET])
    return found


def _everybody(size: Size, first_seed: int) -> list[tuple[str, int]]:
    return [
        (persona, first_seed + k * size.people_each + j)
        for k, persona in enumerate(size.personas)
        for j in range(size.people_each)
    ]


def cells_of(person: Person, size: Size, options: FitOptions) -> list[Cell]:
    """One person under every model; too few labels for a model leave its cell out."""
    exam = judged_minutes(person)
    found = [by_rules(person, exam), by_majority(person, exam), as_shipped(person, exam)]
    taught = (learnt(person, model, spans, exam, options) for model, spans in _lessons(person, size).items())
    return found + [cell for cell in taught if cell is not None]


def _lessons(person: Person, size: Size) -> dict[str, list[LabelSpan]]:
    """What is labelled at each point of the curve."""
    found = {f"{count} blocks": person.first_blocks(count) for count in size.blocks}
    return found | ({TARGET: person.first_minutes(TARGET_MINUTES, TARGET_DAYS)} if size.with_target else {})


def means_of(cells: Sequence[Cell], group: Callable[[Cell], str]) -> dict[str, dict[str, float | None]]:
    """For each group the mean of every figure over its cells, and `…_error`, the standard error."""
    found: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(map(group, cells)):
        own = [asdict(cell) for cell in cells if group(cell) == name]
        found[name] = {}
        for figure in own[0].keys() - NO_FIGURES:
            values = [cell[figure] for cell in own if cell[figure] is not None]
            found[name][figure] = round(fmean(values), 4) if values else None
            if len(values) > 1:
                found[name][f"{figure}_error"] = round(stdev(values) / len(values) ** 0.5, 4)
    return found


def _nested(cells: Sequence[Cell], group: Callable[[Cell], str]) -> dict[str, dict[str, dict[str, float | None]]]:
    names = dict.fromkeys(map(group, cells))
    return {name: means_of([c for c in cells if group(c) == name], lambda cell: cell.model) for name in names}


def _rounded(cell: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in cell.items()}


def _targets(means: Mapping[str, float | None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, wanted in TARGETS.items():
        value = means[name]
        assert value is not None
        found[name] = {"wanted": wanted, "found": value, "met": value <= wanted if name == "ece" else value >= wanted}
    return found


def run_variants(size: Size, first_seed: int = CHOOSING_SEED) -> dict[str, dict[str, dict[str, float | None]]]:
    """Each of VARIANTS on the people defaults were chosen on, without calibrators: means by model."""
    cells: dict[str, list[Cell]] = {name: [] for name in VARIANTS}
    for number, (persona, seed) in enumerate(_everybody(size, first_seed)):
        person = make_person(persona, number, seed, size.taught_days, size.judged_days)
        exam, lessons = judged_minutes(person), _lessons(person, size)
        for name, options in VARIANTS.items():
            taught = (learnt(person, model, spans, exam, options, is_whole=False) for model, spans in lessons.items())
            cells[name] += [cell for cell in taught if cell is not None]
    return {name: means_of(found, lambda cell: cell.model) for name, found in cells.items()}


def main() -> None:
    """The figures as JSON."""
    parser = argparse.ArgumentParser(description="How fast the app learns a person's work.")
    parser.add_argument("--quick", action="store_true", help="two people and few labels")
    parser.add_argument("--people", type=int, help="of each persona")
    parser.add_argument("--seed", type=int, help="of the first person")
    parser.add_argument("--variants", action="store_true", help="compare ways to train instead")
    parser.add_argument("--plot", type=Path, default=PLOT, help="the PNG file to write")
    parser.add_argument("--out", type=Path, help="the JSON file to write, every cell; else means are printed")
    parser.add_argument("--document", type=Path, help="the Markdown file whose tables are written anew")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else Size()
    size = size if chosen.people is None else replace(size, people_each=chosen.people)
    if chosen.variants:
        found = run_variants(replace(size, blocks=(50,)), CHOOSING_SEED if chosen.seed is None else chosen.seed)
    else:
        found = run(size, FIRST_SEED if chosen.seed is None else chosen.seed)
        draw(size.blocks, found["models"], found["personas"], BASELINES, chosen.plot)
    if chosen.document is not None:
        write_tables(chosen.document, found, is_variants=chosen.variants)
    if chosen.out is None:
        found.pop("cells", None)
        print(json.dumps(found, indent=2))
    else:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
