"""Mistakes in a file: each is named by its key, with what to do instead."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import ConfigDict

from taskclf_tray.core.config import Config
from taskclf_tray.core.errors import PolicyValidationError, TaxonomyError
from taskclf_tray.core.person_files import FileModel, Share, about, checked, line_of, salvaged
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.models.policy import InferencePolicy


class Part(FileModel):
    model_config = ConfigDict(extra="forbid")

    share: Share | None = about(expected="a number from 0 to 1, or null", default=None)
    shares: dict[str, Share] = about(expected="numbers from 0 to 1", default={})
    names: list[str] = about(expected="a list of names", default=[])


class Whole(FileModel):
    model_config = ConfigDict(extra="forbid")

    part: Part | None = about(expected="a part", default=None)
    parts: list[Part] = about(expected="a list of parts", default=[])
    kind: Literal["x", "y"] = about(expected="x or y", default="x")


@pytest.mark.parametrize(
    ("values", "place", "sentence"),
    [
        ({"kind": 3}, "kind", "kind is 3: write x or y"),
        ({"parts": {}}, "parts", "parts is an object: write a list of parts"),
        ({"part": {"share": True}}, "part.share", "part.share is true: write a number from 0 to 1, or null"),
        ({"part": {"shares": {"u": None}}}, "part.shares.u", "part.shares has null as 'u': write numbers from 0 to 1"),
        ({"part": {"names": ["a", 7]}}, "part.names[1]", "part.names has 7 as entry 2: write a list of names"),
        ({"part": {"size": 2}}, "part.size", "part.size is not known: known are share, shares, names"),
        ({"parts": [{}, {"share": float("nan")}]}, "parts[1].share", "parts[1].share is nan: write a number from 0"),
    ],
)
def test_a_mistake_has_a_place_and_a_remedy(values: dict[str, Any], place: str, sentence: str) -> None:
    answer, [mistake] = checked(Whole, values)
    assert answer is None
    assert mistake.place == place
    assert str(mistake).startswith(sentence)


def test_a_secret_is_not_shown() -> None:
    config, [mistake] = salvaged(Config, {"aw_api_key": "hidden\n"})
    assert config == Config()
    assert str(mistake) == "aw_api_key cannot be used: write a text of printable characters"


def test_what_is_no_object_is_one_mistake() -> None:
    with pytest.raises(PolicyValidationError, match="It is a list"):
        InferencePolicy.model_validate([])
    with pytest.raises(TaxonomyError, match="It is the text"):
        TaxonomyConfig.model_validate("buckets")


def test_a_wrong_key_costs_only_itself() -> None:
    answer, mistakes = salvaged(Whole, {"kind": "z", "part": {"share": 0.5}, "more": 1})
    assert answer == Whole(part=Part(share=0.5))
    assert [mistake.key for mistake in mistakes] == ["kind", "more"]


def test_a_key_that_a_file_must_have_is_missed() -> None:
    _, [mistake] = checked(Whole, {}, required=["kind"])
    assert str(mistake) == "The key kind is missing: add it (x or y)"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nkind = 2", 2),
        ('{\n"a": 1,\n  "kind": 2\n}', 3),
        ("[kind]", 1),
        ('{"kind": 2}', 1),
        ("kindly = 2", None),
    ],
)
def test_the_line_of_a_key(text: str, line: int | None) -> None:
    assert line_of("kind", text) == line
