"""The person's categories for the eight core labels, in the form of `configs/user_taxonomy.yaml`."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from taskclf_tray.core.defaults import DEFAULT_MIN_CONFIDENCE_FOR_MAPPING, MIXED_UNKNOWN
from taskclf_tray.core.errors import TaxonomyError
from taskclf_tray.core.person_files import FileModel, Flag, Mistake, Number, Share, about, misplaced, where
from taskclf_tray.core.plain_text import readable
from taskclf_tray.core.types import LABEL_LOOKS, LABEL_SET_V1, LABEL_VERSION

MIN_WEIGHT: Final = 1e-100
MAX_WEIGHT: Final = 1e100
"""Weights stay where a probability times a weight cannot vanish or overflow, so that mapped rows always sum to 1."""

_DEFAULT_COLOR: Final = "#7F8C8D"
_SECTION: Final = "`key: value` lines"
_TRUTH: Final = "true or false"
_LABELS: Final = f"a list of core labels ({', '.join(LABEL_SET_V1)}), each once"


def _core_labels(labels: list[str]) -> list[str]:
    if not labels:
        raise ValueError("holds no core label")
    unknown = next((label for label in labels if label not in LABEL_SET_V1), None)
    if unknown is not None:
        raise ValueError(f"names {unknown!r}, which is not a core label")
    if len(set(labels)) < len(labels):
        raise ValueError("names a core label twice")
    return labels


def _version(value: object) -> object:
    """Normalise `version`: `1.0` is a number in YAML and `"1.0"` a text, with the same meaning."""
    is_known = not isinstance(value, bool) and isinstance(value, str | int | float) and str(value) in ("1", "1.0")
    return "1.0" if is_known else value


_NotBlank = Annotated[str, where(lambda text: bool(text.strip()))]
_CoreLabel = Annotated[str, where(lambda label: label in LABEL_SET_V1, "no such core label")]
_Weight = Annotated[Number, Field(ge=MIN_WEIGHT, le=MAX_WEIGHT)]
_EmptyIsNone = BeforeValidator(lambda value: {} if value is None else value)
"""A key with nothing behind it has its default."""


class _Part(FileModel):
    """A section of the taxonomy, which refuses misspelt keys instead of ignoring them."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def refusal(cls, mistake: Mistake) -> TaxonomyError:
        """TaxonomyError with the key."""
        title = f"{readable(str(mistake))}."
        return TaxonomyError(title, "Correct the taxonomy file and save it again.", key=mistake.place)


class TaxonomyBucket(_Part):
    """One of the person's buckets and its core labels. Raises TaxonomyError for wrong values."""

    name: _NotBlank = about("The name of the category.", expected="a text that is not blank")
    description: str = about("What the category is for.", expected="a text", default="")
    core_labels: Annotated[list[str], AfterValidator(_core_labels)] = about(
        "The labels of the model that belong to it.", expected=_LABELS
    )
    color: str = about(
        "The color of the category.",
        expected='a color such as "#2E86DE"',
        default=_DEFAULT_COLOR,
        pattern="^#[0-9A-Fa-f]{6}$",
    )


class TaxonomyDisplay(_Part):
    """The display of labels in views; without effect on predictions."""

    show_core_labels: Flag = about(expected=_TRUTH, default=False)
    default_view: str = about(expected="a text", default="mapped")
    color_theme: str = about(expected="a text", default="default")


class TaxonomyReject(_Part):
    """The name of rejected minutes, and whether reports count them."""

    mixed_label_name: _NotBlank = about(
        "What minutes are called that the model is not sure of.",
        expected="a name that no category has",
        default=MIXED_UNKNOWN,
    )
    include_rejected_in_reports: Flag = about("Whether reports count them.", expected=_TRUTH, default=False)


class TaxonomyAdvanced(_Part):
    """The computation of bucket probabilities from core labels. Raises TaxonomyError for wrong values."""

    probability_aggregation: Literal["sum", "max"] = about(
        "The probability of a category: the sum of its labels' (sum) or the highest of them (max).",
        expected="sum or max",
        default="sum",
    )
    min_confidence_for_mapping: Share = about(
        "A category less probable than this is shown as Mixed/Unknown.",
        expected="a number between 0 and 1",
        default=DEFAULT_MIN_CONFIDENCE_FOR_MAPPING,
    )
    reweight_core_labels: Annotated[dict[_CoreLabel, _Weight], _EmptyIsNone] = about(
        "How much a label counts in its category, 1.0 where it is not named.",
        expected="lines of `core label: weight` with weights above 0",
        default_factory=dict,
    )


class TaxonomyConfig(_Part):
    """A taxonomy file, field by section. Raises TaxonomyError, whose `key` names the mistake.

    >>> TaxonomyConfig(buckets=[TaxonomyBucket(name="Code", core_labels=["Build", "Debug"])]).mixed_label_name
    'Mixed/Unknown'
    """

    version: Annotated[Literal["1.0"], BeforeValidator(_version)] = about(
        "The version of this file's format.", expected="1.0", default="1.0"
    )
    label_schema_version: Literal["labels_v1"] = about(expected=LABEL_VERSION, default=LABEL_VERSION)
    user_id: str | None = about(expected="a text", default=None)
    display: Annotated[TaxonomyDisplay, _EmptyIsNone] = about(expected=_SECTION, default=TaxonomyDisplay())
    reject: Annotated[TaxonomyReject, _EmptyIsNone] = about(expected=_SECTION, default=TaxonomyReject())
    buckets: list[TaxonomyBucket] = about("The categories.", expected="a list of buckets, at least one", min_length=1)
    advanced: Annotated[TaxonomyAdvanced, _EmptyIsNone] = about(expected=_SECTION, default=TaxonomyAdvanced())

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [bucket.name for bucket in self.buckets]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise misplaced(("buckets",), f"has two buckets named {twice!r}")
        if self.mixed_label_name in names:
            raise misplaced(("reject", "mixed_label_name"), f"is {self.mixed_label_name!r}, as a bucket is")
        return self

    @property
    def mixed_label_name(self) -> str:
        """The name of a rejected minute."""
        return self.reject.mixed_label_name

    @property
    def include_rejected_in_reports(self) -> bool:
        """Whether reports count rejected minutes."""
        return self.reject.include_rejected_in_reports

    @property
    def probability_aggregation(self) -> Literal["sum", "max"]:
        """How a bucket's probability follows from its labels': their sum, or their maximum."""
        return self.advanced.probability_aggregation

    @property
    def min_confidence_for_mapping(self) -> float:
        """The bucket probability below which a minute gets the mixed name."""
        return self.advanced.min_confidence_for_mapping

    @property
    def reweight_core_labels(self) -> dict[str, float]:
        """The weight of each core label; 1.0 for a label that is not named."""
        return self.advanced.reweight_core_labels

    @property
    def digest(self) -> str:
        """64 hex digits over the content: equal for files with equal content."""
        # one flat object, as before the sections were fields: records name taxonomies by this
        flat: dict[str, Any] = self.model_dump()
        flat |= flat.pop("reject") | flat.pop("advanced")
        return hashlib.sha256(json.dumps(flat, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def default_taxonomy() -> TaxonomyConfig:
    """Return the taxonomy with one bucket per core label, under the label's name."""
    buckets = [
        TaxonomyBucket(name=label.value, core_labels=[label.value], color=look.color)
        for label, look in LABEL_LOOKS.items()
    ]
    return TaxonomyConfig(buckets=buckets)
