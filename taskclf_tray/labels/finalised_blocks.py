"""Finalised blocks of the record, read from a cursor that survives restarts and catch-up.

A block is *closed* when something known follows it: another label, a gap, or the cut at 30 min. A closed block is
*final* when nothing in it or at its border can be revised any more. The cursor stands at the start of the first block
that is not final, so a call reads only the unsettled minutes and the open block, never the whole day.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_SMOOTH_WINDOW, MIXED_UNKNOWN
from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS
from taskclf_tray.core.time import US_PER_SECOND
from taskclf_tray.infer.forward_state import smoothed_labels
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.blocks import Block, Minute, is_full, split_blocks, to_minute
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

FIRST_LOOK_BACK_SECONDS: Final = 86_400
"""The age limit without a cursor: older blocks are not asked about any more."""


@dataclass(frozen=True, slots=True)
class ClosedBlock:
    """A closed block; while it is not final, a later call may return it with another end, or not at all."""

    block: Block
    is_final: bool


@dataclass(frozen=True, slots=True)
class ClosedBlocks:
    """The closed blocks that begin in [start_us, end_us), the interval that was read; in order of time."""

    start_us: int
    end_us: int
    blocks: tuple[ClosedBlock, ...]
    open_us: int | None = None
    """The start of the open block."""

    def __iter__(self) -> Iterator[ClosedBlock]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)


def close_blocks(
    database: Database,
    user_id: str,
    *,
    until_us: int,
    ahead_buckets: int = DEFAULT_SMOOTH_WINDOW // 2,
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
) -> ClosedBlocks:
    """Return the closed blocks since the cursor, and move the cursor past the final ones.

    Call it inside the transaction that uses the result; otherwise a kill in between loses the final blocks.

    Args:
        database: the record.
        user_id: the user.
        until_us: the high-water mark, before which the record is complete.
        ahead_buckets: how many later buckets a label waits for.
        bucket_seconds: length of a bucket in seconds.

    Raises:
        StoreError: the record cannot be read or written.
    """
    with database.reading():
        start_us = _cursor(database, user_id, until_us)
        records = database.buckets.between(user_id, start_us, until_us)
        unsettled_us = database.buckets.first_unsettled_us(user_id)
    ahead_us = ahead_buckets * bucket_seconds * US_PER_SECOND
    known_us = _known_until(records, until_us, ahead_us)
    blocks = _blocks([record for record in records if record.start_us < known_us], bucket_seconds)
    fixed_us = known_us if unsettled_us is None else min(known_us, unsettled_us)
    closed = tuple(
        ClosedBlock(block, block.end_us < fixed_us or (block.end_us == fixed_us and is_full(block)))
        for block in blocks
        if block.end_us < known_us or is_full(block)
    )
    final = {item.block.start_us for item in closed if item.is_final}
    # an unsettled minute without a window is in no block, and may yet become one
    next_us = max(start_us, min([fixed_us, *(block.start_us for block in blocks if block.start_us not in final)]))
    if next_us != start_us or database.state.get(_name(user_id)) is None:
        with database.reading():
            database.state.set(_name(user_id), str(next_us))
    is_open = bool(blocks) and (not closed or closed[-1].block != blocks[-1])
    return ClosedBlocks(start_us, known_us, closed, blocks[-1].start_us if is_open else None)


def _cursor(database: Database, user_id: str, until_us: int) -> int:
    saved = database.state.get(_name(user_id))
    return until_us - FIRST_LOOK_BACK_SECONDS * US_PER_SECOND if saved is None else int(saved)


def _known_until(records: list[BucketRecord], until_us: int, ahead_us: int) -> int:
    """Return the start of the first bucket whose smoothed label lacks a neighbour that may still come.

    Only the run of buckets that reaches `until_us` has such buckets, because smoothing never crosses a gap.
    """
    known_us = run_end_us = until_us
    for record in reversed(records):
        if record.end_us != run_end_us or record.end_us + ahead_us <= until_us:
            break
        known_us = run_end_us = record.start_us
    return known_us


def _blocks(records: list[BucketRecord], bucket_seconds: int) -> list[Block]:
    predictions = [WindowPrediction.of(record) for record in records]
    minutes = map(_minute, predictions, _guesses(predictions, bucket_seconds))
    return split_blocks((minute for minute in minutes if minute is not None), bucket_seconds=bucket_seconds)


def _guesses(predictions: Sequence[WindowPrediction], bucket_seconds: int) -> list[str]:
    """The labels after smoothing as if nothing had been rejected; empty where no minute is `Mixed/Unknown`."""
    if all(prediction.smoothed_label_name != MIXED_UNKNOWN for prediction in predictions):
        return [""] * len(predictions)
    return smoothed_labels(
        [prediction.model_copy(update={"is_rejected": False}) for prediction in predictions],
        smooth_window=DEFAULT_SMOOTH_WINDOW,
        step=timedelta(seconds=bucket_seconds),
        transitions_of=lambda _config_id: BUILT_IN_TRANSITIONS,
    )


def _minute(prediction: WindowPrediction, guess: str) -> Minute | None:
    minute = to_minute(prediction)
    is_rejected = minute is not None and minute.label == MIXED_UNKNOWN
    return dataclasses.replace(minute, guess=guess) if minute is not None and is_rejected else minute


def _name(user_id: str) -> str:
    return f"blocks:{user_id}"
