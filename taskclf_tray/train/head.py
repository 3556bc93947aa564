"""Fit the personal head (`infer/head.py`) on the minutes that a person labelled.

The head is a multinomial logistic regression with an L2 penalty, over the words of a minute and the mean of those of
the minutes before it, which need no label: a minute is first answered from these. The minutes after it have the same
weights once they come. Labels of rules and pseudo-labels are left out. Rarer labels weigh more, by the root of their
rarity. The bias is not fitted: it is what a minute without known words is, by the labels so far. A label that was never
given counts there as one block, so it is not ruled out.

How much the head and the forest count is fitted on predictions of minutes that neither was fitted on. With few labels
a prior decides: the head counts little, and the blend is less sure than its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import optimize, sparse

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.head import CONTEXT_BUCKETS, FOREST_FLOOR, PersonalHead
from taskclf_tray.train.dataset import BoolArray, Dataset, FloatArray, IntArray, class_weights
from taskclf_tray.train.encoded_rows import words_of

LEAST_MINUTES: Final = 2
"""A bucket of words in fewer training minutes is not known to the head."""
HALF_BLOCKS: Final = 15.0
"""The prior of the head's share is n / (n + 15) for n labelled blocks, …"""
SHARE_SPREAD: Final = 0.5
"""… with this standard deviation of its log odds."""
TEMPERATURE: Final = 2.0
"""The prior of the temperature of the blend, …"""
TEMPERATURE_SPREAD: Final = 0.5
"""… with this standard deviation of its logarithm."""
SAMPLES_A_DAY: Final = 3.0
"""The weight of the labelled minutes of a day as evidence: other blocks of a day resemble each other more than those of
a new day, and more weight makes the head too sure on the first days of real people."""
USUAL_NOISE: Final = 0.1
"""The share of labels that are noise, as `calibrate_fits.fit_noise` expects it."""
MOST_FOLDS: Final = 5
_CLASSES: Final = len(LABEL_SET_V1)
_TOLERANCE: Final = 1e-5
_MOST_STEPS: Final = 200

Powers = tuple[float, float]
"""How much the head counts, and how much the forest."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadMinutes:
    """The N labelled minutes of a dataset that have words, and among them the M lines that count as context.

    Attributes:
        labelled: the labelled minutes; N lines.
        places: (N,) their positions in the dataset.
        words: (M, 4608) the root of the seconds of each bucket of words.
        own: (N, M) picks the labelled minutes.
        around: (N, M) averages the minutes around each of them, and …
        before: (N, M) … those before it.
    """

    labelled: Dataset
    places: IntArray
    words: sparse.csr_array
    own: sparse.csr_array
    around: sparse.csr_array
    before: sparse.csr_array

    @classmethod
    def of(cls, dataset: Dataset) -> HeadMinutes:
        """Collect them; words are unpacked of labelled minutes and their neighbours only."""
        is_labelled = ~dataset.is_weak & dataset.is_models
        here, there = dataset.neighbours(np.flatnonzero(is_labelled), CONTEXT_BUCKETS)
        near = np.union1d(np.flatnonzero(is_labelled), there)
        words = words_of(dataset.take(near)).sqrt()
        has_words = np.diff(words.indptr) > 0
        learnt = np.flatnonzero(is_labelled[near] & has_words)
        here, there = np.searchsorted(near, here), np.searchsorted(near, there)
        is_told = has_words[here] & has_words[there]
        shape = len(learnt), len(near)
        lines, context = np.searchsorted(learnt, here[is_told]), there[is_told]
        is_before = context < learnt[lines]
        return cls(
            labelled=dataset.take(near[learnt]),
            places=near[learnt],
            words=words,
            own=_rows_of(np.arange(len(learnt)), learnt, shape),
            around=_rows_of(lines, context, shape),
            before=_rows_of(lines[is_before], context[is_before], shape),
        )

    @property
    def everything(self) -> BoolArray:
        """(N,) the mask of all labelled minutes."""
        return np.ones(len(self.places), dtype=np.bool_)

    def fit(self, which: BoolArray) -> PersonalHead | None:
        """Fit a head that counts alone, on the labelled minutes of a mask (N,); None for fewer than two labels."""
        labels = self.labelled.labels[which]
        if len(np.unique(labels)) < 2:
            return None
        seen = self.own[which] @ self.words
        minutes = np.bincount(seen.indices, minlength=seen.shape[1])
        buckets = np.flatnonzero(minutes >= LEAST_MINUTES)
        idf = np.log((1 + len(labels)) / (1 + minutes[buckets])) + 1
        weights = self.labelled.weights[which]
        weights = weights * class_weights(labels, weights)[labels]
        weights = weights / weights.mean()
        block = len(labels) / len(np.unique(self.labelled.block_ids[which]))
        bias = np.log(np.bincount(labels, weights, _CLASSES) + block)
        nothing = np.zeros((len(buckets), _CLASSES))
        head = PersonalHead(buckets, idf, nothing, nothing, bias - bias.mean(), 1.0, 0.0)
        task = _Regression(self._features(head), self.own[which], self.before[which], labels, weights, head.bias)
        own, context = task.solved()
        return replace(head, own=own, context=context)

    def logits(self, head: PersonalHead, which: BoolArray) -> FloatArray:
        """(n, 8): what a head says of the labelled minutes of a mask (N,), without its power."""
        features = self._features(head)
        own, around = self.own[which] @ (features @ head.own), self.around[which] @ (features @ head.context)
        return np.asarray(head.bias + own + around)

    def _features(self, head: PersonalHead) -> sparse.csr_array:
        """(M, K): the features of a minute as the head weights them."""
        values = self.words[:, head.buckets] @ sparse.diags_array(head.idf)
        norms = np.sqrt(values.power(2).sum(axis=1))
        return sparse.csr_array(sparse.diags_array(1 / np.where(norms > 0, norms, 1.0)) @ values)


@dataclass(frozen=True, slots=True, eq=False)
class FittedHead:
    """A head, and what its like say of minutes that they were not fitted on.

    Attributes:
        head: of all labelled minutes.
        labelled: n labelled minutes.
        probs: (n, 8) the blend for each, by a head that was not fitted on its day.
    """

    head: PersonalHead
    labelled: Dataset
    probs: FloatArray


def fit_head(dataset: Dataset, forest: Callable[[Dataset], FloatArray]) -> FittedHead | None:
    """Fit a head, and how much it counts beside a forest that was not trained on these minutes.

    The powers are fitted on folds of days; of blocks, where all labels are of one day.

    Args:
        dataset: labelled minutes, and unlabelled ones, which are context.
        forest: gives the (n, 8) raw probabilities of the lines of a dataset.

    Returns:
        The head and its judgement; None with fewer than two different labels on minutes with words.
    """
    minutes = HeadMinutes.of(dataset)
    head = minutes.fit(minutes.everything)
    if head is None:
        return None
    folds = _folds(minutes.labelled)
    left_out = [folds == fold for fold in np.unique(folds).tolist()]
    heads = [minutes.fit(~which) for which in left_out]
    probs = forest(minutes.labelled)
    logits, own, is_judged = _left_out(minutes, left_out, heads, [probs[which] for which in left_out])
    labelled = minutes.labelled.take(is_judged)
    head = with_powers(head, fit_powers(logits, own, labelled))
    return FittedHead(head, labelled, head.blend(own, logits, np.ones(len(own), dtype=np.bool_)))


def fit_powers_of(
    minutes: HeadMinutes,
    left_out: Sequence[BoolArray],
    heads: Sequence[PersonalHead | None],
    probs: Sequence[FloatArray],
) -> Powers:
    """Fit the powers on minutes left out in turn: masks (N,), the head of the others, and their forest's (n, 8)."""
    logits, forest, is_judged = _left_out(minutes, left_out, heads, probs)
    return fit_powers(logits, forest, minutes.labelled.take(is_judged))


def _left_out(
    minutes: HeadMinutes,
    left_out: Sequence[BoolArray],
    heads: Sequence[PersonalHead | None],
    probs: Sequence[FloatArray],
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """(n, 8) logits and forest probabilities of the minutes that a head of others judges, and a mask (N,) of these."""
    logits, forest = np.zeros((2, len(minutes.places), _CLASSES))
    is_judged = np.zeros(len(minutes.places), dtype=np.bool_)
    for which, head, own in zip(left_out, heads, probs, strict=True):
        if head is not None:
            logits[which], forest[which], is_judged[which] = minutes.logits(head, which), own, True
    return logits[is_judged], forest[is_judged], is_judged


def refit_head(dataset: Dataset, powers: Powers | None) -> PersonalHead | None:
    """Fit a head whose powers are known; None for the usual ones of as many labelled blocks.

    For a forest that was trained on these minutes: it is too sure of them to fit powers. None where `fit_head`
    returns None.
    """
    minutes = HeadMinutes.of(dataset)
    head = minutes.fit(minutes.everything)
    return None if head is None else with_powers(head, powers or usual_powers(minutes.labelled.block_count))


def with_powers(head: PersonalHead, powers: Powers) -> PersonalHead:
    """The head with these powers."""
    return replace(head, head_power=powers[0], forest_power=powers[1])


def usual_powers(block_count: int) -> Powers:
    """The powers expected for a number of labelled blocks."""
    share = block_count / (block_count + HALF_BLOCKS)
    return share / TEMPERATURE, (1 - share) / TEMPERATURE


def fit_powers(logits: FloatArray, forest: FloatArray, labelled: Dataset) -> Powers:
    """Fit how much the head and the forest count: a / T and (1 - a) / T, with a share a and a temperature T.

    The most probable ones under the priors above, with a share of noise labels as in `calibrate_fits.py`.

    Args:
        logits: (n, 8) of heads that were not fitted on these minutes.
        forest: (n, 8) probabilities, likewise.
        labelled: the n labelled minutes.
    """
    labels, block_count = labelled.labels, labelled.block_count
    if not len(labels):
        return usual_powers(block_count)
    logs, rows = np.log(np.maximum(forest, FOREST_FLOOR)), np.arange(len(labels))
    weight = SAMPLES_A_DAY * labelled.day_count
    usual = np.log([block_count / HALF_BLOCKS, TEMPERATURE, USUAL_NOISE / (1 - USUAL_NOISE)])
    spread = np.array([SHARE_SPREAD, TEMPERATURE_SPREAD, 1.0])

    def cost(parameters: FloatArray) -> float:
        head_power, forest_power, noise = _unpacked(parameters)
        blended = head_power * logits + forest_power * logs
        blended -= blended.max(axis=1, keepdims=True)
        own = np.exp(blended[rows, labels]) / np.exp(blended).sum(axis=1)
        loss = -np.log((1 - noise) * own + noise / _CLASSES).mean()
        return float(weight * loss + (((parameters - usual) / spread) ** 2).sum() / 2)

    head_power, forest_power, _ = _unpacked(optimize.minimize(cost, usual, method="L-BFGS-B").x)
    return head_power, forest_power


def _unpacked(parameters: FloatArray) -> tuple[float, float, float]:
    """(a / T, (1 - a) / T, noise) from log odds, a logarithm and log odds."""
    share, noise = 1 / (1 + np.exp(-parameters[[0, 2]]))
    temperature = np.exp(parameters[1])
    return float(share / temperature), float((1 - share) / temperature), float(noise)


def _folds(labelled: Dataset) -> IntArray:
    """(N,) the fold of each minute: every k-th day, or every k-th block of a single day."""
    days, day = np.unique(labelled.days, return_inverse=True)
    _, block = np.unique(labelled.block_ids, return_inverse=True)
    return np.asarray((day if len(days) > 1 else block) % MOST_FOLDS)


def _rows_of(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sparse.csr_array:
    """A matrix whose rows average the columns paired with them; without any they are 0."""
    counts = np.bincount(rows, minlength=shape[0])
    return sparse.csr_array((1 / counts[rows], (rows, columns)), shape=shape)


@dataclass(frozen=True, slots=True, eq=False)
class _Regression:
    """The regression of labels on features, with an L2 penalty of 1/2 on the weights and a given bias."""

    features: sparse.csr_array
    own: sparse.csr_array
    before: sparse.csr_array
    labels: IntArray
    weights: FloatArray
    bias: FloatArray

    def solved(self) -> tuple[FloatArray, FloatArray]:
        """(K, 8) weights of the minute itself, and (K, 8) those of its context."""
        features, own, before = self.features, self.own, self.before
        back = (sparse.csr_array(features.T), sparse.csr_array(own.T), sparse.csr_array(before.T))
        truth = np.eye(_CLASSES)[self.labels] * self.weights[:, None]

        def cost(parameters: FloatArray) -> tuple[float, FloatArray]:
            weights = parameters.reshape(-1, 2 * _CLASSES)
            said = features @ weights
            logs = _log_softmax(self.bias + own @ said[:, :_CLASSES] + before @ said[:, _CLASSES:])
            wrong = np.exp(logs) * self.weights[:, None] - truth
            slopes = back[0] @ np.hstack([back[1] @ wrong, back[2] @ wrong]) + weights
            loss = (weights**2).sum() / 2 - (truth * logs).sum()
            return loss / len(truth), slopes.ravel() / len(truth)

        found = optimize.minimize(
            cost, np.zeros(features.shape[1] * 2 * _CLASSES), jac=True, method="L-BFGS-B",
            options={"gtol": _TOLERANCE, "maxiter": _MOST_STEPS},
        )  # fmt: skip
        weights = found.x.reshape(-1, 2 * _CLASSES)
        return weights[:, :_CLASSES], weights[:, _CLASSES:]


def _log_softmax(logits: FloatArray) -> FloatArray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
