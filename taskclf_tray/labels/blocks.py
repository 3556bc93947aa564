"""Blocks: at most 30 contiguous minutes of one smoothed label, the unit that the person is asked about.

Pure functions over minutes in order of time. A minute without a focused window (`no_window`) is left out beforehand, so
it ends a block as a missing minute does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from taskclf_tray.core.defaults import DEFAULT_ASK_THRESHOLD, DEFAULT_BUCKET_SECONDS
from taskclf_tray.core.time import US_PER_SECOND, to_us
from taskclf_tray.core.types import LABEL_SET_V1

if TYPE_CHECKING:
    from taskclf_tray.infer.prediction import WindowPrediction  # pydantic would make `labels now` half as slow again

MAX_BLOCK_SECONDS: Final = 1800
MIN_BLOCK_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Minute:
    """A bucket of the record as blocks need it: `label` is smoothed, `confidence` and `probs` are calibrated."""

    start_us: int
    end_us: int
    label: str
    confidence: float
    probs: tuple[float, ...]
    ask_threshold: float = DEFAULT_ASK_THRESHOLD
    is_askable: bool = True
    """False where a rule decided, which makes a question pointless."""
    guess: str = ""
    """In a rejected minute the label it would have: work of two kinds makes two blocks, sure or not."""

    @property
    def is_low(self) -> bool:
        """Whether the confidence is strictly below the ask threshold."""
        return self.is_askable and self.confidence < self.ask_threshold


@dataclass(frozen=True, slots=True)
class Block:
    """[start_us, end_us) of one smoothed label; `confidence` is the lowest of its minutes.

    `predicted_label` and `second_label` have the highest mean probabilities, even in a `Mixed/Unknown` block.
    """

    start_us: int
    end_us: int
    label: str
    confidence: float
    predicted_label: str
    second_label: str
    minutes: int
    is_low: bool
    """Some minute lies below its ask threshold."""
    is_askable: bool
    """Some minute was decided by the model."""


def is_long_enough(block: Block) -> bool:
    """Whether a block is long enough to ask about: at least 5 min."""
    return block.end_us - block.start_us >= MIN_BLOCK_SECONDS * US_PER_SECOND


def is_full(block: Block) -> bool:
    """Whether a block is complete: the next minute begins a new one, whatever its label."""
    return block.end_us - block.start_us >= MAX_BLOCK_SECONDS * US_PER_SECOND


def ask_threshold(reject_threshold: float | None) -> float:
    """Return the confidence below which a minute is a reason to ask (contract, section 13)."""
    return max(DEFAULT_ASK_THRESHOLD, reject_threshold or 0.0)


def to_minute(prediction: WindowPrediction) -> Minute | None:
    """Convert a prediction into a minute; None for `no_window`, which belongs to no block."""
    if prediction.decided_by == "no_window":
        return None
    return Minute(
        to_us(prediction.bucket_start_ts),
        to_us(prediction.bucket_end_ts),
        prediction.smoothed_label_name,
        prediction.confidence,
        tuple(prediction.core_probs),
        ask_threshold(prediction.reject_threshold),
        prediction.decided_by == "model",
    )


def split_blocks(minutes: Iterable[Minute], *, bucket_seconds: int = DEFAULT_BUCKET_SECONDS) -> list[Block]:
    """Split one user's minutes, in order of time, into blocks.

    A block ends where the label or the guess changes, before a gap, and after 30 min. The last block may still be open.
    """
    limit = max(1, MAX_BLOCK_SECONDS // bucket_seconds)
    parts: list[list[Minute]] = []
    for minute in minutes:
        part = parts[-1] if parts else []
        is_ongoing = part and part[-1].end_us == minute.start_us and _kind(part[-1]) == _kind(minute)
        if is_ongoing and len(part) < limit:
            part.append(minute)
        else:
            parts.append([minute])
    return [_block(part) for part in parts]


def _kind(minute: Minute) -> tuple[str, str]:
    return minute.label, minute.guess


def _block(minutes: Sequence[Minute]) -> Block:
    first, second = _two_best(minutes)
    return Block(
        minutes[0].start_us,
        minutes[-1].end_us,
        minutes[0].label,
        min(minute.confidence for minute in minutes),
        LABEL_SET_V1[first],
        LABEL_SET_V1[second],
        len(minutes),
        any(minute.is_low for minute in minutes),
        any(minute.is_askable for minute in minutes),
    )


def _two_best(minutes: Sequence[Minute]) -> tuple[int, int]:
    """Return the labels with the highest and second highest mean probability; ties: the lower id first."""
    sums = [sum(minute.probs[i] for minute in minutes) for i in range(len(LABEL_SET_V1))]
    order = sorted(range(len(sums)), key=lambda i: -sums[i])  # stable: lower ids stay before
    return order[0], order[1]
