"""What was kept of the promised accuracy: a running count of labels on screen that were right.

A minute counts when its first prediction was on screen before the person's label, by a configuration whose threshold
promises an accuracy (`PipelineConfig.target_accuracy`). The record holds both, so the count is computed from it. Only
re-inference overwrites predictions: what they had kept is added up before (`bank`), and the time they are of does not
count again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from taskclf_tray.core.intervals import union
from taskclf_tray.store.database import Database

_ALWAYS: Final = (-(1 << 62), 1 << 62)


@dataclass(frozen=True, slots=True)
class KeptPromise:
    """The promised accuracy, and how many minutes with a label on screen were judged by the person, and right."""

    target_accuracy: float
    shown: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """The share of right minutes; None without any."""
        return self.right / self.shown if self.shown else None


def kept_promise(database: Database, user_id: str, target_accuracy: float) -> KeptPromise:
    """Count what was kept so far of this promised accuracy. Raises StoreError."""
    key = _key(target_accuracy)
    with database.reading():
        banked = _Banked.load(database, user_id)
        live = _counts(database, user_id, *_ALWAYS, banked).get(key, (0, 0))
    earlier = banked.counts.get(key, (0, 0))
    return KeptPromise(target_accuracy, live[0] + earlier[0], live[1] + earlier[1])


def bank(database: Database, user_id: str, start_us: int, end_us: int) -> None:
    """Add up what the buckets that start in [start_us, end_us) have kept, before they are predicted again.

    Inside the caller's transaction, with the new predictions.
    """
    banked = _Banked.load(database, user_id)
    counts = dict(banked.counts)
    for key, (shown, right) in _counts(database, user_id, start_us, end_us, banked).items():
        before = counts.get(key, (0, 0))
        counts[key] = before[0] + shown, before[1] + right
    _Banked(counts, union([*banked.overwritten, (start_us, end_us)])).save(database, user_id)


@dataclass(frozen=True, slots=True)
class _Banked:
    """(shown, right) minutes by promise of overwritten predictions, and the disjoint times these are of."""

    counts: dict[str, tuple[int, int]]
    overwritten: list[tuple[int, int]]

    @classmethod
    def load(cls, database: Database, user_id: str) -> _Banked:
        saved = json.loads(database.state.get(_name(user_id)) or '{"counts": {}, "overwritten": []}')
        counts = {key: (pair[0], pair[1]) for key, pair in saved["counts"].items()}
        return cls(counts, [(pair[0], pair[1]) for pair in saved["overwritten"]])

    def save(self, database: Database, user_id: str) -> None:
        database.state.set(_name(user_id), json.dumps({"counts": self.counts, "overwritten": self.overwritten}))

    def holds(self, end_us: int) -> bool:
        """Whether the minute that ends then was overwritten."""
        return any(start < end_us <= end for start, end in self.overwritten)


def _counts(
    database: Database, user_id: str, start_us: int, end_us: int, banked: _Banked
) -> dict[str, tuple[int, int]]:
    """(shown, right) minutes by promise, of predictions that were never overwritten."""
    found: dict[str, tuple[int, int]] = {}
    promises: dict[str, str | None] = {}
    for ended_us, config_id, is_right in database.buckets.labelled_later(user_id, start_us, end_us):
        if config_id not in promises:
            promises[config_id] = _promise_of(database, config_id)
        key = promises[config_id]
        if key is not None and not banked.holds(ended_us):
            shown, right = found.get(key, (0, 0))
            found[key] = shown + 1, right + is_right
    return found


def _promise_of(database: Database, config_id: str) -> str | None:
    target = (database.configs.get(config_id) or {}).get("target_accuracy")
    return None if target is None else _key(target)


def _key(target_accuracy: float) -> str:
    return f"{target_accuracy:.4f}"


def _name(user_id: str) -> str:
    return f"kept:{user_id}"
