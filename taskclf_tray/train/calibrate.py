"""Choosing calibrators: fitted on earlier days, chosen on later ones, then fitted again on all of them.

None of the days may be one the model was trained on, and none one the reject threshold is tuned on. A calibrator that
can bend more has to show that it helps: it replaces a simpler one only where it wins on the later days by more than
the standard error of the difference, stretches being the samples. So for the calibrator of one person, against the
global one. A temperature, which is held to 1 while there are few stretches, need only win over none at all. What
treats labels differently has to win by twice the error, for labelled blocks are no fair sample of the kinds of work:
the app asks about rare ones.

All of them are fitted to, and judged by, labels of which a share may be wrong (`calibrate_fits.py`), without the ends
of each stretch, where most of the wrong ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.infer.calibration import Calibrator, CalibratorStore, IdentityCalibrator, IsotonicCalibrator
from taskclf_tray.train.calibrate_fits import fit_isotonic, fit_noise, fit_temperature, fit_vector, label_losses

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

PERSONAL_MINUTES: Final = 200
PERSONAL_DAYS: Final = 3
PERSONAL_LABELS: Final = 3
EARLIER_SHARE: Final = 0.6
"""Of the days: fitted on these, chosen on the rest."""
END_MINUTES: Final = 2
"""At either end of a labelled stretch so many are left out, while one is left."""
GLOBAL: Final = "global"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to fit, and the fewest data it is tried on."""

    name: str
    fit: Callable[[FloatArray, IntArray, int, float], Calibrator]
    least_minutes: int = 0
    least_stretches: int = 0
    errors_to_win: float = 0.0
    """By so many standard errors it has to win over a simpler one of the same minutes."""


METHODS: Final = (
    Method("identity", lambda _probs, _y, _stretches, _noise: IdentityCalibrator()),
    Method("temperature", fit_temperature, 30, 3),
    Method("vector", fit_vector, 300, 20, errors_to_win=2.0),
    Method("isotonic", lambda probs, y, count, _noise: fit_isotonic(probs, y, count), 1000, 60, errors_to_win=2.0),
)
"""The simpler before the ones that bend more."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and what each candidate lost on the later days (negative log-likelihood a label)."""

    method: str
    nll: Mapping[str, float]
    minutes: int
    days: int
    reason: str
    noise: float | None = None
    """The share of labels taken to say nothing; None where nothing was fitted."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"nll": dict(self.nll)}


@dataclass(frozen=True, slots=True)
class Calibration:
    """The store to be saved beside the model, and why it is what it is."""

    store: CalibratorStore
    global_choice: Choice
    user_choices: Mapping[str, Choice]
    """Of eligible users; the choice `global` leaves a user without a calibrator of their own."""

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
        return method.fit(self.probs, self.y, self.stretches, self.noise)

    def losses(self, calibrator: Calibrator, noise: float) -> FloatArray:
        return label_losses(calibrator.calibrate(self.probs), self.y, noise)

    def suffices(self, method: Method) -> bool:
        return len(self.y) >= method.least_minutes and self.stretches >= method.least_stretches

    @cached_property
    def noise(self) -> float:
        return fit_noise(self.probs, self.y, self.stretches)

    @property
    def stretches(self) -> int:
        return len(np.unique(self.blocks))

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
) -> Calibration:
    """The global calibrator and the personal ones that win, bound to the bundle.

    `probs`: (N, 8) as the model gives them, of minutes the model decides; `days`: (N,) numbers in order of time;
    `block_ids`: (N,) the labelled stretch of each minute, no two users sharing one, its minutes in order of time.
    Raises ValueError when lengths differ.
    """
    if len({len(column) for column in (probs, y, days, block_ids, user_ids)}) != 1:
        raise ValueError("probabilities, labels, days, stretches and users are not equally many")
    rows = _Rows(probs, y, days, block_ids)
    users, is_inner = np.array(user_ids, dtype=np.str_), _inner(block_ids)
    inner = rows.where(is_inner)
    calibrator, choice = _choose(inner)
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
    """(N,) the minutes that are none of the first and last of their stretch; of a short one what is in the middle."""
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
        return IdentityCalibrator(), Choice("identity", {}, len(rows.y), len(np.unique(rows.days)), reason)
    earlier, later = rows.where(rows.days < cut), rows.where(rows.days >= cut)
    lost = {m.name: later.losses(earlier.fit(m), earlier.noise) for m in METHODS if earlier.suffices(m)}
    winner = _winner(lost, later.blocks)
    return rows.fit(_method(winner)), _choice(winner, lost, rows)


def _choose_personal(own: _Rows, everybody: _Rows, global_method: str) -> tuple[Calibrator | None, Choice]:
    """The user's own calibrator, or None where the global one, fitted on the same earlier days, does as well."""
    cut = own.first_later_day
    assert cut is not None
    earlier, later = own.where(own.days < cut), own.where(own.days >= cut)
    common = everybody.where(everybody.days < cut).fit(_method(global_method))
    lost = {GLOBAL: later.losses(common, earlier.noise)}
    lost |= {m.name: later.losses(earlier.fit(m), earlier.noise) for m in METHODS[1:] if earlier.suffices(m)}
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
    """Whether the mean gain is more than so many standard errors, the rows of a stretch being one sample."""
    mean = float(gains.mean())
    _, stretch = np.unique(blocks, return_inverse=True)
    count = int(stretch.max()) + 1
    if count < 2:
        return False
    sums = np.bincount(stretch, gains - mean)
    return mean > errors * float(np.sqrt(count / (count - 1) * (sums**2).sum())) / len(gains)


def _choice(winner: str, lost: Mapping[str, FloatArray], rows: _Rows) -> Choice:
    nll = {name: float(values.mean()) for name, values in lost.items()}
    first = next(iter(nll))
    reason = (
        f"On later days {winner} loses {nll[winner]:.3f} a minute, {first} {nll[first]:.3f}."
        if winner != first
        else f"On later days nothing is clearly better than {first} ({nll[first]:.3f} lost a minute)."
    )
    return Choice(winner, nll, len(rows.y), len(np.unique(rows.days)), reason, rows.noise)


def _method(name: str) -> Method:
    return next(method for method in METHODS if method.name == name)
