"""`metadata.json` of a model bundle: how the model was trained, on which data, for which feature schema."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from taskclf_tray.core.person_files import FileModel, Share, TimeText, Whole, about, is_none, where
from taskclf_tray.core.time import parse_time

EACH_ONCE: Final = where(lambda labels: len(set(labels)) == len(labels), "has a label twice")
_SHARE: Final = "a number from 0 to 1, or null"


class ModelMetadata(FileModel):
    """The keys of `metadata.json`; `model_extra` keeps unknown keys in their order.

    Raises ValueError for a value of a wrong type or out of range.

    >>> metadata = ModelMetadata(schema_version="v3", schema_hash="1a2b", label_set=("Build", "Write"))
    >>> metadata.data_provenance
    'real'
    """

    model_config = ConfigDict(extra="allow")

    schema_version: str = about(expected="a text", min_length=1)
    schema_hash: str = about(expected="a text", min_length=1)
    label_set: Annotated[tuple[str, ...], EACH_ONCE] = about(expected="a list of different texts", min_length=1)
    train_date_from: str = about(expected="a text", default="")
    train_date_to: str = about(expected="a text", default="")
    params: dict[str, Any] = about(expected="an object", default_factory=dict)
    git_commit: str = about(expected="a text", default="")
    dataset_hash: str = about(expected="a text", default="")
    reject_threshold: Share | None = about(
        "The threshold recommended by the training, or null.", expected=_SHARE, default=None
    )
    data_provenance: Literal["real", "synthetic", "mixed"] = about(expected="real, synthetic or mixed", default="real")
    created_at: TimeText = about(expected="a time in ISO 8601", default="")
    unknown_category_freq_threshold: Annotated[Whole, Field(ge=0)] | None = about(
        expected="a whole number, or null", default=None
    )
    unknown_category_mask_rate: Share | None = about(expected=_SHARE, default=None)
    time_basis: Literal["local", "utc"] | None = about(
        "local: hour and weekday are local time; without it they are UTC.",
        expected="local or utc",
        default=None,
        exclude_if=is_none,
    )
    sha256: str | None = about(
        "The SHA-256 of model.txt; bundles of the taskclf tool have none.",
        expected="64 hexadecimal digits",
        default=None,
        pattern="^[0-9A-Fa-f]{64}$",
        exclude_if=is_none,
    )

    @property
    def created(self) -> datetime | None:
        """`created_at` as an aware datetime; None when it is empty."""
        return parse_time(self.created_at) if self.created_at else None
