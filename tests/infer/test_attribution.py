"""Shapley values of the forest are LightGBM's own, and the reasons drawn from them are real."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from taskclf_tray.core.errors import ModelFormatError
from taskclf_tray.core.types import LABEL_SET_V1, WORD_BUCKETS
from taskclf_tray.infer.attribution import Attribution
from taskclf_tray.infer.forest import Forest
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows
from taskclf_tray.infer.reasons import Group, group_of, reasons_for
from tests.support.forest_models import FEATURES, ask, model_text, one_leaf, train
from tests.support.heads import some_head
from tests.support.sample_rows import HOME, forest, golden_rows, vocabularies

LABELS = len(LABEL_SET_V1)
MODEL = next((HOME / "models").glob("*/model.txt"))


@pytest.mark.parametrize("seed", range(10))
def test_contributions_are_those_of_lightgbm(seed: int) -> None:
    """Random models with categories, missing values and trees of one leaf; the rows probe every threshold."""
    booster, seen = train(seed)
    text = booster.model_to_string().encode()
    attribution, own = Attribution.from_text(text), Forest.from_text(text)
    rows = ask(booster, seen, 8, seed)
    expected = booster.predict(rows, pred_contrib=True, num_threads=1).reshape(len(rows), own.num_class, FEATURES + 1)
    for row, theirs, scores in zip(rows, expected, own.predict_raw(rows), strict=True):
        found = attribution.contributions(row)
        np.testing.assert_allclose(found, theirs.T, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found.sum(axis=0), scores, rtol=0, atol=1e-9)
        np.testing.assert_allclose(attribution.scores_without(row, []), scores, rtol=0, atol=1e-9)
        np.testing.assert_allclose(attribution.scores_without(row, range(FEATURES)), found[-1], rtol=0, atol=1e-9)


def test_a_model_that_does_not_count_its_rows_is_refused() -> None:
    text = MODEL.read_bytes()
    for name in (b"leaf_count", b"internal_count"):
        damage = re.sub(name + rb"=\d", name + b"=x", text, count=1)
        with pytest.raises(ModelFormatError, match="how many rows"):
            Attribution.from_text(damage)
    constant = Attribution.from_text(model_text(one_leaf("0.25"), one_leaf("-1")).encode())
    assert constant.contributions(np.zeros(2)).tolist() == [[0.0, 0.0], [0.0, 0.0], [0.25, -1.0]]


def config_with(head: bool) -> PipelineConfig:
    own = some_head(known=400) if head else None
    return PipelineConfig(forest(), "v3", "local", vocabularies(), head=own)


@pytest.mark.parametrize("head", [False, True])
def test_reasons_are_real(head: bool) -> None:
    """What is named speaks for the label, and the label loses probability without it."""
    config, attribution = config_with(head), Attribution.load(MODEL)
    random = np.random.default_rng(3)
    with_reason = 0
    rows = [
        replace(row, word_seconds=tuple((int(b), 60) for b in sorted(random.choice(4608, 300, replace=False))))
        for row in golden_rows()[::100]
    ]
    for k, row in enumerate(rows):
        before = rows[max(0, k - 3) : k]
        decided = decide_rows(config, [row], before=before, is_one_run=True)[0]
        reasons = reasons_for(config, attribution, row, before=before)
        assert reasons.label == LABEL_SET_V1[int(np.argmax(decided.model_probs))]
        assert reasons.probability == pytest.approx(max(decided.model_probs), abs=1e-9)
        assert all(reason.probability_without < reasons.probability for reason in reasons.found)
        assert [reason.effect for reason in reasons.found] == sorted((r.effect for r in reasons.found), reverse=True)
        with_reason += bool(reasons.found)
    assert with_reason >= 0.95 * len(rows)


def test_the_words_of_a_head_are_the_reason_where_they_decide() -> None:
    head = some_head(known=2)
    strong = np.zeros((2, LABELS))
    strong[0, 3] = strong[1, 5] = 60.0
    head = replace(head, buckets=np.array([7, WORD_BUCKETS + 7]), own=strong, context=strong, bias=np.zeros(LABELS))
    config, attribution = replace(config_with(head=False), head=head), Attribution.load(MODEL)
    row = golden_rows()[0]
    word, program = (replace(row, word_seconds=((bucket, 60),)) for bucket in (7, WORD_BUCKETS + 7))
    by_word, by_program = (reasons_for(config, attribution, each) for each in (word, program))
    assert (by_word.label, by_word.found[0].group) == (LABEL_SET_V1[3], Group.TITLES)
    assert (by_program.label, by_program.found[0].group) == (LABEL_SET_V1[5], Group.PROGRAM)
    around = reasons_for(config, attribution, replace(row, word_seconds=((1, 60),)), after=[word])
    assert (around.label, around.found[0].group) == (LABEL_SET_V1[3], Group.AROUND)


def test_every_feature_has_a_group() -> None:
    groups = {name: group_of(name) for name in forest().feature_names}
    assert set(groups.values()) == set(Group) - {Group.HABIT}
    assert {name for name, group in groups.items() if group is Group.PROGRAM} == {
        "app_id", "app_category", "is_browser", "is_editor", "is_terminal", "domain_category",
    }  # fmt: skip
