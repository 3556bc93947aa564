"""How a person's labels follow each other, learnt from labelled minutes, for the smoother `hmm`.

Counts of label after label in adjoining minutes, with the built-in shares as pseudo-counts: the mean of the Dirichlet
posterior of each row (Murphy, “Machine Learning: A Probabilistic Perspective”, 2012, section 17.2.2.1). The end of a
labelled stretch counts as nothing, since nobody said what came next. So a person who answers about single blocks
changes little, and one who labels whole hours teaches what follows what.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS, Transitions
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.train.dataset import Dataset

FloatArray = npt.NDArray[np.float64]

PRIOR_MINUTES: Final = 60.0
"""The built-in shares weigh as much as an hour of each label."""
_DECIMALS: Final = 6


def learn_transitions(dataset: Dataset) -> Transitions:
    """The shares of change in these labelled minutes; a pair counts with the lower weight of its two."""
    counts = change_counts(dataset) + PRIOR_MINUTES * np.array(BUILT_IN_TRANSITIONS.rows)
    shares = np.maximum(np.round(counts / counts.sum(axis=1, keepdims=True), _DECIMALS), 10.0**-_DECIMALS)
    np.fill_diagonal(shares, 0.0)
    np.fill_diagonal(shares, np.round(1 - shares.sum(axis=1), _DECIMALS))
    return Transitions(tuple(map(tuple, shares.tolist())))


def change_counts(dataset: Dataset) -> FloatArray:
    """(8, 8): how often the label of the column followed that of the row, in adjoining minutes of one user."""
    counts = np.zeros((len(LABEL_SET_V1), len(LABEL_SET_V1)))
    adjoin = (dataset.user_ids[1:] == dataset.user_ids[:-1]) & (dataset.start_us[1:] == dataset.end_us[:-1])
    adjoin &= (dataset.labels[1:] >= 0) & (dataset.labels[:-1] >= 0)  # the others are minutes nobody labelled
    weights = np.minimum(dataset.weights[1:], dataset.weights[:-1])
    np.add.at(counts, (dataset.labels[:-1][adjoin], dataset.labels[1:][adjoin]), weights[adjoin])
    return counts
