"""A poll costs what is new: counted in calls and SQLite's steps, which no neighbour on the machine disturbs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS, Transitions
from taskclf_tray.infer.head import PersonalHead
from tests.bench.bench_poll import Worker, run
from tests.support.parity_settings import HEADS

POLLS = 15
QUIET = replace(HEADS[0], head_power=0.05, forest_power=1.0)
"""A head under which labels last: a day of segments that are all too short is merged from its beginning."""


def counted_poll(worker: Worker) -> tuple[int, int]:
    """Python and C calls, and tens of SQLite's virtual machine instructions."""
    calls = steps = 0

    def on_call(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def on_steps() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection = worker.database._connection
    connection.set_progress_handler(on_steps, 10)
    before: Callable[..., object] | None = sys.getprofile()
    sys.setprofile(on_call)
    try:
        worker.poll()
    finally:
        sys.setprofile(before)
        connection.set_progress_handler(None, 0)
    return calls, steps


@pytest.mark.parametrize(
    ("transitions", "head"),
    [(None, None), (BUILT_IN_TRANSITIONS, None), (BUILT_IN_TRANSITIONS, QUIET)],
    ids=["majority", "hmm", "hmm and head"],
)
def test_a_poll_costs_no_more_after_a_long_day_and_many_others(
    tmp_path: Path, transitions: Transitions | None, head: PersonalHead | None
) -> None:
    costs = []
    for size in (60, 6_000):
        worker = Worker(tmp_path / str(size), size, transitions, head)
        polls = [counted_poll(worker) for _ in range(POLLS)]
        worker.database.close()
        costs.append((median(calls for calls, _ in polls), median(steps for _, steps in polls)))
    (few_calls, few_steps), (many_calls, many_steps) = costs
    assert few_calls > 500
    assert few_steps > 10
    assert many_calls <= 1.1 * few_calls
    assert many_steps <= 1.2 * few_steps


def test_the_benchmark_prints_a_ratio() -> None:
    figures = run(polls=3, sizes=(60, 600))
    assert set(figures["poll_ms"]) == {60, 600}
    assert figures["ratio_longest_to_shortest"] > 0
