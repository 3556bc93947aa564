"""A damaged model never ends the process, never hangs it, and never answers differently behind a recorded hash.

The library dies or hangs on many of these files. The counts of the long form are the ones the evaluator was promised
with, and a quarter of them is tried each time; each case is a file on disk that is loaded and, if accepted, asked.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from taskclf_tray.core.errors import ModelFormatError
from taskclf_tray.infer.forest import Forest
from tests.support.forest_models import ask, train

pytestmark = [pytest.mark.faults, pytest.mark.no_cover]  # many repetitions, at half the time

SHARE = 1 if os.environ.get("TASKCLF_FAULTS") == "long" else 4
TRUNCATIONS = 300 // SHARE
BIT_FLIPS = 600 // SHARE
CHANGED_DIGITS = 600 // SHARE
BAD_CHILDREN = 100 // SHARE
LONGEST_SECONDS = 1.0


@dataclass(frozen=True)
class Sound:
    """An undamaged model: its file, its hash, rows and what it answers to them."""

    data: bytes
    sha256: str
    rows: NDArray[np.float64]
    answer: NDArray[np.float64]

    @property
    def end(self) -> int:
        """Where the part ends that decides answers."""
        return self.data.index(b"\nend of trees") + len(b"\nend of trees")


@cache
def sound() -> Sound:
    booster, seen = train(1, rounds=10, leaves=31)
    data = booster.model_to_string().encode()
    forest = Forest.from_text(data)
    assert forest.num_trees == 80
    assert b"cat_threshold" in data
    rows = ask(booster, seen, 4, 1)
    return Sound(data, forest.sha256, rows, forest.predict(rows))


def truncations(rng: random.Random) -> Iterator[bytes]:
    for _ in range(TRUNCATIONS):
        yield sound().data[: rng.randrange(len(sound().data))]


def bit_flips(rng: random.Random) -> Iterator[bytes]:
    for _ in range(BIT_FLIPS):
        data = bytearray(sound().data)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield bytes(data)


def changed_digits(rng: random.Random) -> Iterator[bytes]:
    digits = [found.start() for found in re.finditer(rb"[0-9]", sound().data[: sound().end])]
    for place in rng.sample(digits, CHANGED_DIGITS):
        data = bytearray(sound().data)
        data[place] = rng.choice([digit for digit in b"0123456789" if digit != data[place]])
        yield bytes(data)


def bad_children(rng: random.Random) -> Iterator[bytes]:
    """Children out of range, in a circle or shared; without tree_sizes, so that lengths do not give them away."""
    data = re.sub(rb"tree_sizes=.*\n", b"", sound().data)
    lines = [found for found in re.finditer(rb"(?:left|right)_child=(.*)\n", data) if found[1].count(b" ") > 1]
    for _ in range(BAD_CHILDREN):
        line = rng.choice(lines)
        children = line[1].split()
        node, count = rng.randrange(len(children)), len(children)
        others = [child for child in children if child != children[node]]
        wrong = [
            count,
            count + 7,
            2**31 - 1,
            -count - 2,
            -(2**31),
            rng.randrange(node + 1),
            node,
            int(rng.choice(others)),
        ]
        children[node] = b"%d" % rng.choice(wrong)
        yield data[: line.start(1)] + b" ".join(children) + data[line.end(1) :]


DAMAGES = {"truncated": truncations, "bit": bit_flips, "digit": changed_digits, "child": bad_children}


def load_and_ask(path: Path, sha256: str | None) -> NDArray[np.float64] | None:
    """The answer, or None when the file is refused; fails when it takes longer than a hang may.

    Processor time, because a hang spends it and a busy machine does not.
    """
    start = time.process_time()
    try:
        answer = Forest.load(path, sha256=sha256).predict(sound().rows)
    except ModelFormatError:
        answer = None
    assert time.process_time() - start < LONGEST_SECONDS
    return answer


def answers(kind: str, sha256: str | None, path: Path) -> Iterator[tuple[bytes, NDArray[np.float64] | None]]:
    for data in DAMAGES[kind](random.Random(f"damage {kind}")):
        path.write_bytes(data)
        yield data, load_and_ask(path, sha256)


@pytest.mark.parametrize("kind", DAMAGES)
def test_behind_a_recorded_hash_all_damage_is_refused(kind: str, tmp_path: Path) -> None:
    for data, answer in answers(kind, sound().sha256, tmp_path / "model.txt"):
        assert data != sound().data
        assert answer is None


@pytest.mark.parametrize("kind", ["bit", "digit"])
def test_without_a_hash_an_accepted_file_gives_probabilities(kind: str, tmp_path: Path) -> None:
    accepted = [answer for _, answer in answers(kind, None, tmp_path / "model.txt") if answer is not None]
    assert accepted  # a changed digit of a leaf value is a sound file: only a hash can tell
    for answer in accepted:
        assert ((answer >= 0) & (answer <= 1)).all()
        assert answer.sum(axis=1) == pytest.approx(1.0, abs=1e-12)


def test_without_a_hash_a_cut_tree_is_refused(tmp_path: Path) -> None:
    for data, answer in answers("truncated", None, tmp_path / "model.txt"):
        if len(data) < sound().end:
            assert answer is None
        else:
            assert answer is not None
            assert answer.tobytes() == sound().answer.tobytes()


def test_without_a_hash_bad_children_are_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_bytes(re.sub(rb"tree_sizes=.*\n", b"", sound().data))
    assert load_and_ask(path, None) is not None  # the missing tree_sizes is not the reason
    for data in bad_children(random.Random("damage child")):
        path.write_bytes(data)
        with pytest.raises(ModelFormatError, match=r"tree \d+, node \d+: (left_child|right_child|a child of it) "):
            Forest.load(path)


def test_without_a_hash_a_damaged_tail_answers_the_same(tmp_path: Path) -> None:
    """What follows "end of trees" decides nothing."""
    path = tmp_path / "model.txt"
    path.write_bytes(sound().data[: sound().end] + b"\n" + random.Random("tail").randbytes(2000))
    answer = load_and_ask(path, None)
    assert answer is not None
    assert answer.tobytes() == sound().answer.tobytes()
