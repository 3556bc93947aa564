"""What asking is worth: how many labels a model needs when the policy chooses the questions, and when others do.

`python -m tests.bench.bench_asking [--people N] [--seed N] [--days N] [--learns-every N] [--plot FILE]` prints JSON
and draws a plot; `run()` returns the figures. `--people 1 --days 10` takes a minute.

Each of the six personas gives some people, with each set of installed watchers in turn. One person's working days
are recorded as the app records them and cut into the app's blocks (`labels/blocks.py`); there are four questions a
day about that day's blocks (the app can only ask about what has just been done), and the person answers with the
label that most of the block really has. All minutes of the block are then labelled so, wrong ones among them. Three
ways to choose: any block (`random`), the one with the least confident minute (`lowest_confidence`), and the app's
policy (`value`): `acquisition_score`, one question in ten at random. Both latter choose among blocks with a minute
below the ask threshold, as the app's queue does.

Who chooses is the model in force: the shipped one and the head of the labels so far, fitted again each night (the app
does so after each answer). What is measured is macro-F1 on later days, in the minutes a model decides, as a share of
what is reached when every minute of the asked days is labelled rightly: the attainable value. `labels_needed` is where
the mean of that share over all people crosses 0.80.

Two models are measured after the same answers. *In force* is what the person would see. *Alone* is the head by itself,
which knows these labels and nothing else. The shipped model may be above 0.80 of the attainable value before any
question (`above_target_before_asking`).

The exponent in `acquisition_score` was chosen on people with the seeds 5000–5003 and 6000–6003; those here are others.
The interval is of 1 000 draws of as many people with replacement. The simulated people always answer, and rightly.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import DEFAULT_ASKS_PER_DAY
from taskclf_tray.simulation.personas import PERSONAS
from tests.bench.asking_learning import Exam, everything
from tests.bench.asking_people import make_person
from tests.bench.asking_plot import draw
from tests.bench.asking_policies import STRATEGIES, Course, ask_person

TARGET_SHARE: Final = 0.80
IN_FORCE_SHARE: Final = 0.90
"""The model in force begins where the target is: for it the labels to this share say more."""
TARGET_RATIO: Final = 0.70
FIRST_SEED: Final = 7000
PEOPLE_EACH: Final = 3
ASKED_DAYS: Final = 24
JUDGED_DAYS: Final = 6
MEASURED_EVERY_DAYS: Final = 2
DRAWS: Final = {"random": 2, "lowest_confidence": 1, "value": 1}
"""How often each person is asked from the beginning; chance has more of a say in `random`."""
PLOT: Final = Path(__file__).parents[2] / ".artefacts" / "asking.png"
Curves = npt.NDArray[np.float64]
"""(people, measurements): shares of the attainable value."""


@dataclass(frozen=True, slots=True)
class Result:
    """One person: the attainable macro-F1 of either model, and how each strategy went."""

    persona: str
    attainable_alone: float
    attainable_in_force: float
    courses: Mapping[str, Course]

    def shares(self, strategy: str, model: str) -> list[float]:
        """Of the attainable value, after each measurement."""
        if model == "alone":
            return [score / self.attainable_alone for score in self.courses[strategy].own]
        return [score / self.attainable_in_force for score in self.courses[strategy].in_force]


def run(
    people_each: int = PEOPLE_EACH,
    first_seed: int = FIRST_SEED,
    days: int = ASKED_DAYS,
    learns_every: int = 1,
    plot: Path = PLOT,
) -> dict[str, Any]:
    """Labels needed with each strategy, their ratios, and the curves."""
    began = time.monotonic()
    seeds = range(first_seed, first_seed + people_each * len(PERSONAS))
    people = zip([name for name in PERSONAS for _ in range(people_each)], seeds, strict=True)
    results = [_result(persona, seed, days, learns_every) for persona, seed in people]
    labels = [n * MEASURED_EVERY_DAYS * DEFAULT_ASKS_PER_DAY for n in range(len(results[0].courses["value"].own))]
    models = {model: _curves(results, model) for model in ("alone", "in_force")}
    draw(labels, models, {"alone": TARGET_SHARE, "in_force": IN_FORCE_SHARE}, plot)
    return {
        "people": len(results),
        "labels_each": labels[-1],
        "learns_every_days": learns_every,
        **_figures(labels, models["alone"], TARGET_SHARE),
        "target_ratio": TARGET_RATIO,
        "by_persona": _by_persona(results, labels),
        "in_force": {
            "share": IN_FORCE_SHARE,
            **_figures(labels, models["in_force"], IN_FORCE_SHARE),
            "above_target_before_asking": _already_there(results),
        },
        "attainable_macro_f1_alone": round(float(np.mean([r.attainable_alone for r in results])), 3),
        "attainable_macro_f1_in_force": round(float(np.mean([r.attainable_in_force for r in results])), 3),
        "labels": labels,
        "plot": str(plot),
        "seconds": round(time.monotonic() - began),
    }


def _result(persona: str, seed: int, days: int, learns_every: int) -> Result:
    person = make_person(persona, seed, days, JUDGED_DAYS)
    exam, best = Exam(person.judged), everything(person.asked).model()
    pace = {"measured_every": MEASURED_EVERY_DAYS, "learns_every": learns_every}
    return Result(
        persona,
        exam.macro_f1(best, alone=True),
        exam.macro_f1(best),
        {
            strategy: Course.mean([ask_person(person, exam, strategy, **pace, draw=k) for k in range(DRAWS[strategy])])
            for strategy in STRATEGIES
        },
    )


def _curves(results: Sequence[Result], model: str) -> dict[str, Curves]:
    return {s: np.array([result.shares(s, model) for result in results]) for s in STRATEGIES}


def _figures(labels: Sequence[int], curves: Mapping[str, Curves], share: float) -> dict[str, Any]:
    needed = {strategy: labels_needed(labels, shares.mean(axis=0), share) for strategy, shares in curves.items()}
    return {
        "labels_needed": needed,
        "ratio_to_random": _ratio(needed["value"], needed["random"]),
        "ratio_to_random_95": _interval(labels, curves, share),
        "ratio_to_lowest_confidence": _ratio(needed["value"], needed["lowest_confidence"]),
        "share_of_attainable": {s: np.round(shares.mean(axis=0), 3).tolist() for s, shares in curves.items()},
    }


def labels_needed(labels: Sequence[int], shares: npt.NDArray[np.float64], target: float) -> float | None:
    """Where the curve first reaches the target, between measurements on a straight line; None when it never does."""
    above = np.flatnonzero(shares >= target)
    if len(above) == 0:
        return None
    k = int(above[0])
    if k == 0:
        return 0.0
    part = (target - shares[k - 1]) / (shares[k] - shares[k - 1])
    return round(float(labels[k - 1] + part * (labels[k] - labels[k - 1])), 1)


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return round(ours / theirs, 3) if ours is not None and theirs else None


def _interval(labels: Sequence[int], curves: Mapping[str, Curves], share: float) -> list[float] | None:
    """Random asking that never gets there counts as there at the end, which flatters it."""
    rng = np.random.default_rng(1)
    count = len(curves["value"])
    ratios: list[float] = []
    for _ in range(1000):
        drawn = rng.integers(0, count, count)
        ours = labels_needed(labels, curves["value"][drawn].mean(axis=0), share)
        theirs = labels_needed(labels, curves["random"][drawn].mean(axis=0), share)
        if theirs != 0:
            ratios.append(np.inf if ours is None else ours / (theirs or labels[-1]))
    low, high = np.quantile(ratios, (0.025, 0.975), method="nearest")
    return [round(float(low), 3), round(float(high), 3)] if np.isfinite(high) else None


def _by_persona(results: Sequence[Result], labels: Sequence[int]) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for name in PERSONAS:
        curves = _curves([result for result in results if result.persona == name], "alone")
        found[name] = {s: labels_needed(labels, shares.mean(axis=0), TARGET_SHARE) for s, shares in curves.items()}
    return found


def _already_there(results: Sequence[Result]) -> dict[str, int]:
    """How many people of each persona the shipped model serves that well."""
    first = {name: [r.shares("value", "in_force")[0] for r in results if r.persona == name] for name in PERSONAS}
    return {name: sum(share >= TARGET_SHARE for share in shares) for name, shares in first.items()}


def main() -> None:
    """The figures as JSON."""
    parser = argparse.ArgumentParser(description="What asking is worth.")
    parser.add_argument("--people", type=int, default=PEOPLE_EACH, help="of each persona")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first person")
    parser.add_argument("--days", type=int, default=ASKED_DAYS, help="with four questions each")
    parser.add_argument("--learns-every", type=int, default=1, help="working days, for the model that asks")
    parser.add_argument("--plot", type=Path, default=PLOT, help="the PNG file to write")
    chosen = parser.parse_args()
    print(json.dumps(run(chosen.people, chosen.seed, chosen.days, chosen.learns_every, chosen.plot), indent=2))


if __name__ == "__main__":
    main()
