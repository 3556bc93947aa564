"""Choose calibrators: fit on earlier days, choose on later days, then fit again on all of them.

None of the days may be one the model was trained on, or one the reject threshold is tuned on. A more flexible
calibrator must show that it helps: it replaces a simpler one only if its loss on the later days is lower by more than
the standard error of the difference, with blocks as the samples. The same holds for a personal calibrator against the
global one. A temperature, which stays near 1 while there are few blocks, need only beat no calibration. A calibrator
that treats labels differently must win by twice the error, because labelled blocks are a biased sample: the app asks
about rare kinds of work.

All are fitted and judged on labels of which a share may be wrong (`calibrate_fits.py`), without the ends of each block,
where most wrong labels are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.infer.calibrators import Calibrator, CalibratorStore, IdentityCalibrator, IsotonicCalibrator
from taskclf_tray.train.calibrate_fits import fit_isotonic, fit_noise, fit_temperature, fit_vector, label_losses

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

PERSONAL_MINUTES: Final = 200
PERSONAL_DAYS: Final = 3
PERSONAL_LABELS: Final = 3
EARLIER_SHARE: Final = 0.6
"""The share of days to fit on; the later ones are for the choice."""
END_MINUTES: Final = 2
"""The minutes left out at either end of a labelled block, as long as one is left."""
MANY_DAYS: Final = 40
"""The fewest labelled days for a calibrator that treats labels differently, and so may change the predicted label: what
it learns of few days is their mix of work (docs/learning.md)."""
GLOBAL: Final = "global"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to fit, and the fewest data to try it on."""

    name: str
    fit: Callable[[FloatArray, IntArray, int, float], Calibrator]
    least_minutes: int = 0
    least_blocks: int = 0
    least_days: int = 0
    """Of the earlier and later days together."""
    errors_to_win: float = 0.0
    """By how many standard errors it must beat a simpler one on the same minutes."""


METHODS: Final = (
    Method("identity", lambda _probs, _y, _blocks, _noise: IdentityCalibrator()),
    Method("temperature", fit_temperature, 30, 3),
    Method("vector", fit_vector, 300, 20, MANY_DAYS, errors_to_win=2.0),
    Method("isotonic", lambda p, y, count, _noise: fit_isotonic(p, y, count), 1000, 60, MANY_DAYS, errors_to_win=2.0),
)
"""The simpler ones first."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen method, and the loss of each candidate on the later days (negative log-likelihood per label)."""

    method: str
    nll: Mapping[str, float]
    minutes: int
    days: int
    reason: str
    noise: float | None = None
    """The estimated share of noise labels; None where nothing was fitted."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"nll": dict(self.nll)}


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibrator store to save beside the model, and how it was chosen."""

    store: CalibratorStore
    global_choice: Choice
    user_choices: Mapping[str, Choice]
    """Of eligible users; with the choice `global` a user has no calibrator of their own."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        users = {user: choice.to_dict() for user, choice in self.user_choices.items()}
        return {"global": self.global_choice.to_dict(), "users": users}


@dataclass(frozen=True, eq=False)
class _Rows:
    probs: FloatArray
    y: IntArray
    days: IntArray
    blocks: IntArray

    def where(self, rows: npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(self.probs[rows], self.y[rows], self.days[rows], self.blocks[rows])

    def fit(self, method: Method) -> Calibrator:
        return method.fit(self.probs, self.y, self.block_count, self.noise)

    def losses(self, calibrator: Calibrator, noise: float) -> FloatArray:
        return label_losses(calibrator.calibrate(self.probs), self.y, noise)

    def losses_of(self, methods: Sequence[Method], cut: int) -> dict[str, FloatArray]:
        """The losses on the days from `cut` on of each method with enough data, fitted on the days before."""
        earlier, later = self.where(self.days < cut), self.where(self.days >= cut)
        fit = [m for m in methods if earlier.suffices(m) and self.day_count >= m.least_days]
        return {m.name: later.losses(earlier.fit(m), earlier.noise) for m in fit}

    def suffices(self, method: Method) -> bool:
        return len(self.y) >= method.least_minutes and self.block_count >= method.least_blocks

    @cached_property
    def noise(self) -> float:
        return fit_noise(self.probs, self.y, self.block_count)

    @property
    def block_count(self) -> int:
        return len(np.unique(self.blocks))

    @property
    def day_count(self) -> int:
        return len(np.unique(self.days))

    @property
    def first_later_day(self) -> int | None:
        """The first day to choose on; None when there is only one day or none."""
        days = np.unique(self.days)
        return int(days[max(1, round(EARLIER_SHARE * len(days)))]) if len(days) > 1 else None


def calibrate(
    probs: FloatArray,
    y: IntArray,
    *,
    days: IntArray,
    block_ids: IntArray,
    user_ids: Sequence[str],
    model_bundle_id: str | None = None,
    model_schema_hash: str | None = None,
    created_at: str | None = None,
    method: str | None = None,
) -> Calibration:
    """Choose the global calibrator and the personal ones that win, bound to the bundle.

    Args:
        probs: (N, 8) raw probabilities of minutes that the model decides.
        y: (N,) label ids.
        days: (N,) numbers in order of time.
        block_ids: (N,) the labelled block of each minute, of one user, with its minutes in order of time.
        user_ids: N users.
        model_bundle_id: the bundle the store is bound to.
        model_schema_hash: the schema the store is bound to.
        created_at: ISO 8601.
        method: the name of the global method, where it was chosen before.

    Raises:
        ValueError: lengths differ.
    """
    if len({len(column) for column in (probs, y, days, block_ids, user_ids)}) != 1:
        raise ValueError("probabilities, labels, days, blocks and users are not equally many")
    rows = _Rows(probs, y, days, block_ids)
    users, is_inner = np.array(user_ids, dtype=np.str_), _inner(block_ids)
    inner = rows.where(is_inner)
    calibrator, choice = _choose(inner) if method is None else _fitted(inner, method)
    personal: dict[str, Calibrator] = {}
    choices: dict[str, Choice] = {}
    for user in sorted(set(user_ids)) if len(set(user_ids)) > 1 else ():
        if _is_eligible(rows.where(users == user)):
            found, choices[user] = _choose_personal(rows.where(is_inner & (users == user)), inner, choice.method)
            personal |= {user: found} if found is not None else {}
    store = CalibratorStore(
        global_calibrator=calibrator,
        user_calibrators=personal,
        method="isotonic" if isinstance(calibrator, IsotonicCalibrator) else "temperature",
        model_bundle_id=model_bundle_id,
        model_schema_hash=model_schema_hash,
        created_at=created_at,
    )
    return Calibration(store, choice, choices)


def _inner(block_ids: IntArray) -> npt.NDArray[np.bool_]:
    """(N,) a mask without the first and last minutes of each block; of a short block its middle is left."""
    order = np.argsort(block_ids, kind="stable")
    _, first, counts = np.unique(block_ids[order], return_index=True, return_counts=True)
    count = np.repeat(counts, counts)
    before = np.arange(len(block_ids)) - np.repeat(first, counts)
    is_inner = np.empty(len(block_ids), dtype=np.bool_)
    is_inner[order] = np.minimum(before, count - 1 - before) >= np.minimum(END_MINUTES, (count - 1) // 2)
    return is_inner


def _is_eligible(own: _Rows) -> bool:
    days, labels = len(np.unique(own.days)), len(np.unique(own.y))
    return len(own.y) >= PERSONAL_MINUTES and days >= PERSONAL_DAYS and labels >= PERSONAL_LABELS


def _choose(rows: _Rows) -> tuple[Calibrator, Choice]:
    cut = rows.first_later_day
    if cut is None:
        reason = "There is no later day to choose on, so the probabilities stay as they are."
        return IdentityCalibrator(), Choice("identity", {}, len(rows.y), rows.day_count, reason)
    lost = rows.losses_of(METHODS, cut)
    winner = _winner(lost, rows.blocks[rows.days >= cut])
    return rows.fit(_method(winner)), _choice(winner, lost, rows)


def _fitted(rows: _Rows, method: str) -> tuple[Calibrator, Choice]:
    """The calibrator of a method chosen before."""
    return rows.fit(_method(method)), Choice(method, {}, len(rows.y), rows.day_count, "It was chosen before.")


def _choose_personal(own: _Rows, everybody: _Rows, global_method: str) -> tuple[Calibrator | None, Choice]:
    """The user's own calibrator, or None where the global one, fitted on the same earlier days, does as well."""
    cut = own.first_later_day
    assert cut is not None
    earlier, later = own.where(own.days < cut), own.where(own.days >= cut)
    common = everybody.where(everybody.days < cut).fit(_method(global_method))
    lost = {GLOBAL: later.losses(common, earlier.noise)}
    lost |= own.losses_of(METHODS[1:], cut)
    winner = _winner(lost, later.blocks)
    return (None if winner == GLOBAL else own.fit(_method(winner))), _choice(winner, lost, own)


def _winner(lost: Mapping[str, FloatArray], blocks: IntArray) -> str:
    names = list(lost)
    best = names[0]
    for name in names[1:]:
        errors = max(_method(name).errors_to_win, 1.0 if best == GLOBAL else 0.0)
        if _wins(lost[best] - lost[name], blocks, errors):
            best = name
    return best


def _wins(gains: FloatArray, blocks: IntArray, errors: float) -> bool:
    """Whether the mean gain is more than `errors` standard errors, with each block as one sample."""
    mean = float(gains.mean())
    _, block = np.unique(blocks, return_inverse=True)
    count = int(block.max()) + 1
    if count < 2:
        return False
    sums = np.bincount(block, gains - mean)
    return mean > errors * float(np.sqrt(count / (count - 1) * (sums**2).sum())) / len(gains)


def _choice(winner: str, lost: Mapping[str, FloatArray], rows: _Rows) -> Choice:
    nll = {name: float(values.mean()) for name, values in lost.items()}
    first = next(iter(nll))
    reason = (
        f"On later days the loss per minute is {nll[winner]:.3f} with {winner} and {nll[first]:.3f} with {first}."
        if winner != first
        else f"On later days nothing is clearly better than {first} (loss per minute {nll[first]:.3f})."
    )
    return Choice(winner, nll, len(rows.y), rows.day_count, reason, rows.noise)


def _method(name: str) -> Method:
    return next(method for method in METHODS if method.name == name)
