"""kill −9 at random points of labelling: no acknowledged label is lost, no change is there by half."""

from __future__ import annotations

import os
import random
import time
from itertools import pairwise
from pathlib import Path

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from tests.support import label_child
from tests.support.forked import forked
from tests.support.label_child import MORNING, USER

MINUTE_US = 60_000_000
KILLS = 1000 if os.environ.get("TASKCLF_FAULTS") == "long" else 25


def killed_run(path: Path, number: int, rng: random.Random) -> list[int]:
    """One run, killed 0–100 ms after it began to label; the starts it said were on disk."""
    with forked(label_child.main, path, number) as child:
        assert child.next() == "ready"
        time.sleep(rng.uniform(0, 0.1))
        return child.kill()


@pytest.mark.faults
@pytest.mark.timeout(4000)
def test_acknowledged_labels_survive_kills(tmp_path: Path) -> None:
    rng = random.Random(23)
    path = tmp_path / "tray.db"
    acknowledged: list[int] = []
    number = 0
    for _ in range(KILLS):
        acknowledged += killed_run(path, number, rng)
        database = Database(path)
        spans = list(LabelStore(database, USER).everything())
        database.close()
        starts = [span.start_us for span in spans]
        assert set(acknowledged) <= set(starts), "an acknowledged label is lost"
        number = (starts[-1] - to_us(MORNING)) // MINUTE_US + 1 if starts else 0
    assert len(acknowledged) > KILLS
    # each label cut the last 30 s off the one before, whether the kill came before or after it was said
    assert starts == [to_us(MORNING) + n * MINUTE_US for n in range(number)]
    assert [span.label for span in spans] == [LABEL_SET_V1[n % 8] for n in range(number)]
    assert all(left.end_us == right.start_us for left, right in pairwise(spans))


@pytest.mark.faults
def test_after_a_kill_undo_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    while not killed_run(path, 0, random.Random(5)):
        pass
    database = Database(path)
    store = LabelStore(database, USER)
    left = list(store.everything())
    now = MORNING.replace(hour=12)
    for count in range(len(left) - 1, -1, -1):
        undone = store.undo(at=now)
        assert undone is not None
        assert undone.start_us == left[count].start_us
        spans = list(store.everything())
        assert [span.start_us for span in spans] == [span.start_us for span in left[:count]]
        assert [span.end_us - span.start_us for span in spans[-1:]] == [90_000_000] * (count > 0)
    assert store.undo(at=now) is None
    database.close()
