"""Configurations of the pipeline, and its labels as letters."""

from __future__ import annotations

from typing import Any

from taskclf_tray.core.types import FeatureRow
from taskclf_tray.infer.pipeline import (
    PipelineConfig,
)
from tests.support.sample_rows import FakeModel, told_row


def config_of(**changes: Any) -> PipelineConfig:
    return PipelineConfig(**{"model": FakeModel(), "reject_threshold": 0.55, "config_id": "c1", **changes})


def letters(labels: str, gaps: str = "") -> list[FeatureRow]:
    """`BBm.B`: Build, Build, a rejected Meet, a missing bucket, Build."""
    names = {"B": "Build", "M": "Meet", "R": "ReadResearch"}
    return [
        told_row(i, names[letter.upper()], 0.9 if letter.isupper() else 0.3)
        for i, letter in enumerate(labels)
        if letter != "."
    ]
