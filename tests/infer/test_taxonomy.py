"""Mapping to the person's buckets: golden vectors, the rules by hand, and hostile files."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.errors import TaxonomyError
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer import taxonomy as taxonomy_module
from taskclf_tray.infer.taxonomy import (
    TaxonomyAdvanced,
    TaxonomyBucket,
    TaxonomyConfig,
    TaxonomyResolver,
    default_taxonomy,
    load_taxonomy,
    save_taxonomy,
)
from taskclf_tray.infer.taxonomy_file import parse_taxonomy
from tests.support.sample_rows import DATA, HOME

GOLDEN: list[dict[str, Any]] = json.loads((DATA / "golden_taxonomy.json").read_text())
HOME_TAXONOMY = HOME / "configs/user_taxonomy.yaml"


def probs_of(**shares: float) -> list[float]:
    """Eight probabilities: the named ones, the rest shared equally."""
    rest = (1 - sum(shares.values())) / (8 - len(shares))
    return [shares.get(label, rest) for label in LABEL_SET_V1]


def taxonomy(*buckets: tuple[str, str], **advanced: Any) -> TaxonomyConfig:
    return TaxonomyConfig(
        buckets=[TaxonomyBucket(name=name, core_labels=labels.split()) for name, labels in buckets],
        advanced=TaxonomyAdvanced(**advanced),
    )


CODE = ("Code", "Build Debug")
PAPER = ("Paper", "ReadResearch Review Write")
PEOPLE = ("People", "Communicate Meet")
BREAK = ("Break", "BreakIdle")
ALL = (CODE, PAPER, PEOPLE, BREAK)


@pytest.mark.parametrize("case", GOLDEN, ids=range(len(GOLDEN)))
def test_golden(case: dict[str, Any]) -> None:
    resolver = TaxonomyResolver(parse_taxonomy(yaml.safe_dump(case["taxonomy"])))
    for probs, expected in zip(case["probs"], case["mapped_probs"], strict=True):
        mapped = resolver.resolve_smoothed("Build", "Build", probs).mapped_probs
        assert list(mapped) == list(resolver.bucket_names)
        assert {name: round(p, 6) for name, p in mapped.items()} == expected


def test_the_homes_file_works_unchanged() -> None:
    config = load_taxonomy(HOME_TAXONOMY)
    assert config.version == "1.0"
    assert config.user_id == "example-user-uuid"
    resolver = TaxonomyResolver(config)
    assert resolver.bucket_names == ("Deep Work", "Learning / Research", "Communication", "Meetings", "Break")
    # Review is in two buckets: counted in both, then renormalised
    result = resolver.resolve_smoothed("Review", "Review", [0, 0, 0, 0, 0, 0, 1, 0])
    assert result.mapped_probs["Deep Work"] == result.mapped_probs["Learning / Research"] == 0.5
    assert result.mapped_label == "Mixed/Unknown"  # 0.5 is below 0.55
    assert resolver.resolve_smoothed("Review", "Meet", [0, 0, 0, 0, 1, 0, 0, 0]).mapped_label == "Deep Work"


@pytest.mark.parametrize(
    ("smoothed", "raw", "probs", "mapped"),
    [
        ("Build", "Build", probs_of(Build=0.9), "Code"),
        (MIXED_UNKNOWN, MIXED_UNKNOWN, probs_of(Build=0.9), MIXED_UNKNOWN),  # rejected and left so
        (MIXED_UNKNOWN, "Build", probs_of(Build=0.9), MIXED_UNKNOWN),  # smoothed away
        ("Meet", MIXED_UNKNOWN, probs_of(Build=0.9), "People"),  # rejected, rescued by its neighbours
        ("Meet", "Build", probs_of(Build=0.9), "People"),  # not checked against min_confidence
        ("Build", "Build", probs_of(Build=0.3, Write=0.3, Meet=0.3), MIXED_UNKNOWN),  # nothing reaches 0.55
        ("Build", "Build", probs_of(Build=0.3, Write=0.25, Review=0.25, ReadResearch=0.1), "Paper"),  # most probable
    ],
)
def test_label_by_hand(smoothed: str, raw: str, probs: list[float], mapped: str) -> None:
    result = TaxonomyResolver(taxonomy(*ALL)).resolve_smoothed(smoothed, raw, probs)
    assert result.mapped_label == mapped
    assert sum(result.mapped_probs.values()) == pytest.approx(1.0, abs=1e-12)


def test_equal_probabilities_take_the_earlier_bucket() -> None:
    halves = probs_of(Build=0.5, Meet=0.5)
    assert TaxonomyResolver(taxonomy(*ALL, min_confidence_for_mapping=0.5)).resolve_smoothed(
        "Build", "Build", halves
    ) == (TaxonomyResolver(taxonomy(*ALL, min_confidence_for_mapping=0.5)).resolve_smoothed("Meet", "Meet", halves))
    first = TaxonomyResolver(taxonomy(PEOPLE, CODE, PAPER, BREAK, min_confidence_for_mapping=0.5))
    assert first.resolve_smoothed("Build", "Build", halves).mapped_label == "People"
    twice = TaxonomyResolver(taxonomy(("B", "Review"), ("A", "Review"), *ALL[:1], PEOPLE, BREAK))
    assert twice.resolve_smoothed("Review", "Meet", probs_of(Meet=0.9)).mapped_label == "B"


def test_labels_in_no_bucket_go_to_other() -> None:
    resolver = TaxonomyResolver(taxonomy(CODE))
    assert resolver.bucket_names == ("Code", "Other")
    assert resolver.resolve_smoothed("Meet", "Meet", probs_of(Meet=0.9)).mapped_label == "Other"
    assert resolver.resolve_smoothed("Meet", "Build", probs_of(Build=0.9)).mapped_label == "Other"
    own = TaxonomyResolver(taxonomy(("Other", "Build"), PAPER))
    assert own.bucket_names == ("Other", "Paper")
    assert own.resolve_smoothed("Meet", "Meet", probs_of(Meet=0.9)).mapped_label == "Other"


def test_weights_and_max() -> None:
    half = [0.0, 0.4, 0.0, 0.2, 0.4, 0.0, 0.0, 0.0]
    weighted = TaxonomyResolver(taxonomy(*ALL, reweight_core_labels={"Build": 2.0}))
    assert weighted.resolve_smoothed("Build", "Build", half).mapped_probs["Code"] == pytest.approx(1.0 / 1.4)
    largest = TaxonomyResolver(taxonomy(*ALL, probability_aggregation="max"))
    assert largest.resolve_smoothed("Build", "Build", half).mapped_probs["Code"] == pytest.approx(0.5)


LABELS = [*LABEL_SET_V1, MIXED_UNKNOWN]


@st.composite
def taxonomies(draw: st.DrawFn) -> TaxonomyConfig:
    count = draw(st.integers(1, 5))
    label_sets = st.lists(st.sampled_from(LABEL_SET_V1), min_size=1, max_size=8, unique=True)
    buckets = tuple(TaxonomyBucket(name=f"B{i}", core_labels=tuple(draw(label_sets))) for i in range(count))
    return TaxonomyConfig(
        buckets=buckets,
        advanced=TaxonomyAdvanced(
            probability_aggregation=draw(st.sampled_from(["sum", "max"])),
            min_confidence_for_mapping=draw(st.sampled_from([0.0, 0.3, 0.55, 1.0])),
            reweight_core_labels=draw(st.dictionaries(st.sampled_from(LABEL_SET_V1), st.floats(1e-6, 1e6), max_size=4)),
        ),
    )


@settings(max_examples=80)
@given(config=taxonomies(), seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 30))
def test_batch_is_the_same_to_the_bit_and_sums_to_one(config: TaxonomyConfig, seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    probs = random.dirichlet([0.3] * 8, rows)
    probs[random.random(rows) < 0.2] = np.eye(8)[0]
    smoothed = [LABELS[i] for i in random.integers(0, 9, rows)]
    raw = [LABELS[i] for i in random.integers(0, 9, rows)]
    raw = [own if keep else same for own, same, keep in zip(raw, smoothed, random.random(rows) < 0.5, strict=True)]
    resolver = TaxonomyResolver(config)
    labels, mapped = resolver.resolve_smoothed_batch(smoothed, raw, probs)
    assert mapped.shape == (rows, len(resolver.bucket_names))
    for i in range(rows):
        alone = resolver.resolve_smoothed(smoothed[i], raw[i], probs[i].tolist())
        assert alone.mapped_label == labels[i]
        assert list(alone.mapped_probs.values()) == mapped[i].tolist()
        assert sum(mapped[i]) == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=30)
@given(config=taxonomies())
def test_saved_taxonomies_load_equal(config: TaxonomyConfig, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("taxonomy") / "t.yaml"
    again = load_taxonomy(save_taxonomy(config, path))
    assert again == config
    assert again.digest == config.digest


def test_digest_follows_the_content() -> None:
    assert default_taxonomy().digest == default_taxonomy().digest
    assert default_taxonomy().digest != taxonomy(*ALL).digest
    assert taxonomy(*ALL).digest != taxonomy(*ALL, min_confidence_for_mapping=0.6).digest


def test_default_taxonomy_shows_the_core_labels() -> None:
    resolver = TaxonomyResolver(default_taxonomy())
    assert resolver.bucket_names == LABEL_SET_V1
    assert resolver.resolve_smoothed("Meet", "Meet", probs_of(Meet=0.9)).mapped_label == "Meet"


MINIMAL = "buckets:\n  - name: Code\n    core_labels: [Build]\n"


@pytest.mark.parametrize("version", ["version: 1.0", 'version: "1.0"', "version: 1", ""])
def test_version_as_number_or_text(version: str) -> None:
    assert parse_taxonomy(f"{version}\n{MINIMAL}").version == "1.0"


@pytest.mark.parametrize(
    ("text", "key", "line", "reason"),
    [
        ("", None, None, "empty"),
        ("- a\n- b\n", None, 1, "key: value"),
        ("version: [", None, 1, "not YAML"),
        ("version: 2.0\n" + MINIMAL, "version", 1, "2.0"),
        ("version: 1.0\n", "buckets", 1, "list of buckets"),
        ("buckets: []\n", "buckets", 1, "at least one"),
        (MINIMAL + "bukets: 1\n", "bukets", 4, "not known"),
        (MINIMAL + "advanced:\n  mode: x\n", "advanced.mode", 5, "not known"),
        (MINIMAL + "    colour: '#112233'\n", "buckets[0].colour", 4, "not known"),
        (MINIMAL + "    color: red\n", "buckets[0].color", 4, "red"),
        ("buckets:\n  - core_labels: [Build]\n", "buckets[0].name", 2, "missing"),
        ("buckets:\n  - name: A\n    core_labels: []\n", "buckets[0].core_labels", 3, "no core label"),
        ("buckets:\n  - name: A\n    core_labels: [Cook]\n", "buckets[0].core_labels", 3, "Cook"),
        ("buckets:\n  - name: A\n    core_labels: Build\n", "buckets[0].core_labels", 3, "list"),
        ("buckets:\n  - name: 7\n    core_labels: [Build]\n", "buckets[0].name", 2, "text"),
        (MINIMAL + MINIMAL.removeprefix("buckets:\n"), "buckets", 1, "two buckets"),
        (MINIMAL + "advanced: {probability_aggregation: mean}\n", "advanced.probability_aggregation", 4, "sum or max"),
        (MINIMAL + "advanced: {min_confidence_for_mapping: 2}\n", "advanced.min_confidence_for_mapping", 4, "0 and 1"),
        (MINIMAL + "advanced: {min_confidence_for_mapping: .nan}\n", "advanced.min_confidence_for_mapping", 4, "0 and"),
        (MINIMAL + "advanced: {min_confidence_for_mapping: yes}\n", "advanced.min_confidence_for_mapping", 4, "number"),
        (MINIMAL + "advanced:\n  reweight_core_labels:\n    Build: 0\n", "advanced.reweight_core_labels.Build", 6, "0"),
        (
            MINIMAL + "advanced:\n  reweight_core_labels:\n    Cook: 1\n",
            "advanced.reweight_core_labels.Cook",
            6,
            "no such",
        ),
        (MINIMAL + "reject: {include_rejected_in_reports: 1}\n", "reject.include_rejected_in_reports", 4, "true or"),
        (MINIMAL + "reject: {mixed_label_name: Code}\n", "reject.mixed_label_name", 4, "Code"),
        (MINIMAL + "reject: 5\n", "reject", 4, "key: value"),
        (MINIMAL + "label_schema_version: labels_v2\n", "label_schema_version", 4, "labels_v2"),
        (MINIMAL + "version: 1.0\nversion: 1.0\n", "version", 5, "twice"),
        ("a: &x [1]\nb: *x\n", None, 1, "aliases"),
        ("user_id: !!python/object/apply:os.system ['true']\n", "user_id", 1, "only text"),
        ("user_id: 2026-01-01\n" + MINIMAL, "user_id", 1, "only text"),
        ("? [a, b]\n: 1\n", None, 1, "plain text"),
        ("<<: {a: 1}\n", None, 1, "plain text"),
        ("[" * 10_000, None, 1, "nested"),
        (MINIMAL + "user_id: \x00\n", None, None, "characters"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, key: str | None, line: int | None, reason: str) -> None:
    with pytest.raises(TaxonomyError) as caught:
        parse_taxonomy(text, source="mine.yaml")
    assert "mine.yaml" in caught.value.title
    assert reason in caught.value.title
    assert (caught.value.key, caught.value.line) == (key, line)
    assert caught.value.next_step


def test_a_file_that_grows_without_bound_is_refused_at_once() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    began = time.process_time()
    with pytest.raises(TaxonomyError, match="aliases"):
        parse_taxonomy(bomb)
    with pytest.raises(TaxonomyError, match="too long"):
        parse_taxonomy("buckets: [" + "a," * 50_000 + "]")
    assert time.process_time() - began < 5.0


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    with pytest.raises(TaxonomyError, match=r"t\.yaml is missing"):
        load_taxonomy(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TaxonomyError, match="UTF-8"):
        load_taxonomy(path)
    path.write_text("#" * 300_000)
    with pytest.raises(TaxonomyError, match="bytes"):
        load_taxonomy(path)
    path.write_text("\ufeff" + MINIMAL, encoding="utf-8")
    assert load_taxonomy(path).buckets[0].name == "Code"


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = taxonomy_module.nothing_such
