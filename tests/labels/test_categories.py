"""Views name every minute by the categories of today; the last valid file stays while another is wrong."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.pipeline import map_label
from taskclf_tray.infer.taxonomy import (
    TaxonomyAdvanced,
    TaxonomyBucket,
    TaxonomyConfig,
    TaxonomyReject,
    TaxonomyResolver,
)
from taskclf_tray.infer.taxonomy_file import save_taxonomy
from taskclf_tray.labels.categories import Categories, KeptCategories, categories_in_force
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support.report_records import bucket
from tests.support.worker_home import MORNING, USER, pipeline_config, recorded, recorder_of, simulated_source

WORK = TaxonomyBucket(
    name="Work", core_labels=("Build", "Debug", "Write"), description="What I am paid for", color="#112233"
)
TALK = TaxonomyBucket(name="Talk", core_labels=("Communicate", "Meet"))
OTHERS = (
    TaxonomyConfig(buckets=(WORK, TALK)),
    TaxonomyConfig(
        buckets=(WORK, TALK),
        reject=TaxonomyReject(mixed_label_name="No idea"),
        advanced=TaxonomyAdvanced(min_confidence_for_mapping=0.9),
    ),
    TaxonomyConfig(
        buckets=(WORK, TALK),
        advanced=TaxonomyAdvanced(probability_aggregation="max", reweight_core_labels={"Meet": 7.0}),
    ),
    TaxonomyConfig(buckets=(WORK, TaxonomyBucket(name="Write", core_labels=("Write", "Review")), TALK)),
    TaxonomyConfig(buckets=(TALK,), reject=TaxonomyReject(mixed_label_name="Other")),
    None,
)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A recorded day: the morning under the home's categories, then without any."""
    database = Database(tmp_path_factory.mktemp("categories") / "tray.db")
    clock = ManualClock(MORNING + timedelta(hours=5))
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    while not recorder.step(clock.now()).is_caught_up:
        pass
    clock.advance(4 * 3600)
    recorder.use(pipeline_config(with_taxonomy=False, config_id="config-b"))
    while not recorder.step(clock.now()).is_caught_up:
        pass
    yield database
    database.close()


def home_taxonomy() -> TaxonomyConfig:
    taxonomy = pipeline_config().taxonomy
    assert taxonomy is not None
    return taxonomy


def renamed(taxonomy: TaxonomyConfig) -> TaxonomyConfig:
    buckets = [b.model_copy(update={"name": f"My {b.name}", "color": "#000001"}) for b in taxonomy.buckets]
    return taxonomy.model_copy(update={"buckets": buckets, "reject": TaxonomyReject(mixed_label_name="No idea")})


@pytest.mark.parametrize("number", range(len(OTHERS) + 2))
def test_a_day_is_named_as_if_it_had_been_predicted_under_todays_categories(day: Database, number: int) -> None:
    taxonomy = [home_taxonomy(), renamed(home_taxonomy()), *OTHERS][number]
    categories = Categories(day, taxonomy)
    resolver = None if taxonomy is None else TaxonomyResolver(taxonomy)
    names = set()
    for record, answer in zip(day.buckets.between(USER, 0, 1 << 62), recorded(day), strict=True):
        name, probs = map_label(resolver, answer.smoothed_label_name, answer.raw_label, answer.core_probs)
        expected = answer.smoothed_label_name if name is None else name
        assert categories.name(record) == (expected, expected not in probs)
        names.add(expected)
    assert len(names) > 1
    assert {record.config_id for record in day.buckets.between(USER, 0, 1 << 62)} == {"config-a", "config-b"}


def test_new_names_alone_cost_no_look_at_the_probabilities(day: Database) -> None:
    records = [r for r in day.buckets.between(USER, 0, 1 << 62) if r.config_id == "config-a"]
    categories = Categories(day, renamed(home_taxonomy()))
    unreadable = [dataclasses.replace(record, prediction="") for record in records]
    named = [categories.ui_label(record) for record in unreadable]
    assert named == [f"My {r.ui_label}" if r.ui_label != MIXED_UNKNOWN else "No idea" for r in records]


def test_a_minute_of_which_nothing_is_known_keeps_its_name(day: Database) -> None:
    assert Categories(day, OTHERS[0]).name(bucket(MORNING, ui="Old name")) == ("Old name", False)


shares = st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(lambda row: sum(row) > 0.01)


@given(shares, st.sampled_from([t for t in OTHERS if t is not None]), st.integers(0, 8), st.booleans())
@settings(max_examples=400)
def test_what_follows_without_the_probabilities_is_what_they_say(
    row: list[float], taxonomy: TaxonomyConfig, smoothed: int, is_rejected: bool
) -> None:
    resolver = TaxonomyResolver(taxonomy)
    probs = (np.array(row) / np.sum(row)).tolist()
    core = LABEL_SET_V1[int(np.argmax(probs))]
    raw = MIXED_UNKNOWN if is_rejected else core
    for label in (raw, [*LABEL_SET_V1, MIXED_UNKNOWN][smoothed]):
        certain = resolver.certain_label(label, raw, max(probs))
        assert certain in (None, resolver.resolve_smoothed(label, raw, probs).mapped_label)
        assert resolver.label(label, raw, probs) == resolver.resolve_smoothed(label, raw, probs).mapped_label


# -- the last valid file --------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tray.db")
    yield database
    database.close()


@pytest.mark.parametrize("taxonomy", [t for t in OTHERS if t is not None])
def test_a_taxonomy_comes_back_whole(taxonomy: TaxonomyConfig) -> None:
    assert TaxonomyConfig.model_validate(json.loads(json.dumps(taxonomy.model_dump()))) == taxonomy


def test_a_wrong_file_leaves_the_last_valid_categories_in_force(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "user_taxonomy.yaml"
    assert categories_in_force(database, path) == (None, None)
    path.write_text("buckets: [")
    taxonomy, problem = categories_in_force(database, path)
    assert taxonomy is None  # there never was a valid one
    assert problem is not None
    assert OTHERS[1] is not None
    save_taxonomy(OTHERS[1], path)
    assert categories_in_force(database, path) == (OTHERS[1], None)
    KeptCategories(database).save(OTHERS[1])
    path.write_text("buckets: [")
    taxonomy, problem = categories_in_force(database, path)
    assert (taxonomy, problem is None) == (OTHERS[1], False)
    path.unlink()
    assert categories_in_force(database, path) == (None, None)


@pytest.mark.parametrize("saved", ["{", "[]", '{"buckets": []}', '{"reject": {}, "advanced": {}, "buckets": [{}]}'])
def test_kept_categories_of_another_version_are_none(database: Database, saved: str) -> None:
    with database.transaction():
        database.state.set("taxonomy", saved)
    assert KeptCategories(database).load() is None
