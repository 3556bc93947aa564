"""Labelled days to fit a forest to, and the digest of a model."""

from __future__ import annotations

import functools
import hashlib

from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.fit import (
    TrainedModel,
)
from taskclf_tray.train.weak import weak_label
from tests.support.labelled import simulated_days


@functools.cache
def days() -> Dataset:
    return from_rows(*simulated_days(), weak=weak_label)


def digest(model: TrainedModel) -> str:
    return hashlib.sha256(model.text.encode()).hexdigest()
