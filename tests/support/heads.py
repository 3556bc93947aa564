"""Personal heads with weights out of a hat, and homes that can keep one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.models.head_files import HeadEntry, save_head
from taskclf_tray.models.identity import load_or_create_identity, secret_path
from taskclf_tray.models.policy import read_inference_policy, save_inference_policy

FITTED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def some_head(seed: int = 1, known: int = 5) -> PersonalHead:
    """A head that knows some buckets."""
    random = np.random.default_rng(seed)
    labels = len(LABEL_SET_V1)
    return PersonalHead(
        buckets=np.sort(random.choice(4608, known, replace=False)),
        idf=random.uniform(1, 5, known),
        own=random.normal(size=(known, labels)),
        context=random.normal(size=(known, labels)),
        bias=random.normal(size=labels),
        head_power=0.4,
        forest_power=0.3,
    )


def with_secret(home: Path) -> Path:
    """The home with a title secret and a user id of its own, also where it holds models."""
    if not secret_path(home).exists():
        secret_path(home).parent.mkdir(parents=True, exist_ok=True)
        secret_path(home).write_text("5a" * 32)
        (secret_path(home).parent / ".user_id").write_text("7b1e0c52-4d6a-4f0b-9a53-0c1f6f3f8d11")
    load_or_create_identity(home)
    return home


def saved_head(models: Path, head: PersonalHead | None = None, minutes: int = 37) -> HeadEntry:
    """A head in the home of these models."""
    head = some_head() if head is None else head
    return save_head(head, with_secret(models.parent), fitted_at=FITTED_AT, labelled_minutes=minutes)


def served_head(models: Path, head: PersonalHead | None = None) -> HeadEntry:
    """A head that the policy names."""
    entry = saved_head(models, head)
    save_inference_policy(read_inference_policy(models).model_copy(update={"personal_head": entry}), models)
    return entry
