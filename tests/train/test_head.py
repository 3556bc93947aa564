"""The personal head: what it learns from labelled minutes, and how much it counts beside the forest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow, WordSeconds
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.train.dataset import Dataset, FloatArray
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.head import HeadMinutes, fit_head, fit_powers, refit_head, usual_powers
from taskclf_tray.train.weak import weak_or_unlabelled
from tests.support.labelled import BUILD, DEBUG, MEET, row, span

UNIFORM = 1 / len(LABEL_SET_V1)
WORDS: dict[str, WordSeconds] = {
    "Build": ((1, 60), (4100, 60)),
    "Debug": ((2, 30), (3, 30), (4100, 60)),
    "Meet": ((4, 45), (4101, 60)),
}
DAY_MINUTES = 1440


def minutes(*blocks: tuple[int, str], length: int = 10, **changes: object) -> Dataset:
    """Blocks that begin at these minutes, each with its label's words."""
    rows: list[FeatureRow] = []
    for start, label in blocks:
        rows += [row(start + k, decided_by="model", word_seconds=WORDS[label], **changes) for k in range(length)]
    return from_rows(rows, [span(start, start + length, label) for start, label in blocks], weak=weak_or_unlabelled)


def two_days() -> Dataset:
    """Six blocks of each of three labels on each of two days."""
    labels = list(WORDS) * 2
    return minutes(*((day * DAY_MINUTES + 30 * k, labels[k]) for day in (0, 1) for k in range(6)))


def uniform(dataset: Dataset) -> FloatArray:
    return np.full((len(dataset), len(LABEL_SET_V1)), UNIFORM)


def fitted(dataset: Dataset) -> PersonalHead:
    minutes = HeadMinutes.of(dataset)
    head = minutes.fit(minutes.everything)
    assert head is not None
    return head


def served_logits(head: PersonalHead, dataset: Dataset) -> FloatArray:
    """What the pipeline makes of all lines."""
    return head.logits(head.scores([own.word_seconds for own in dataset.rows()]), dataset.runs)


def varied() -> Dataset:
    """Minutes of random words, half of them unlabelled, some without words."""
    rng = np.random.default_rng(3)
    rows, spans = [], []
    for minute in range(300):
        label = ("Build", "Debug", "Meet")[minute // 12 % 3]
        picked = sorted(rng.choice(40, 4, replace=False).tolist())
        own = tuple((word + 40 * (minute // 12 % 3), int(rng.integers(1, 60))) for word in picked)
        rows.append(row(minute + minute // 50, decided_by="model", word_seconds=own if minute % 7 else ()))
        if minute % 12 < 6:
            spans.append(span(minute + minute // 50, minute + minute // 50 + 1, label))
    return from_rows(rows, spans, weak=weak_or_unlabelled)


def test_what_is_fitted_is_what_is_served() -> None:
    dataset = varied()
    known, head = HeadMinutes.of(dataset), fitted(dataset)
    said = known.logits(head, known.everything)
    np.testing.assert_allclose(said, served_logits(head, dataset)[known.places], atol=1e-12)


def test_no_other_weights_are_more_probable() -> None:
    dataset = varied()
    known, head = HeadMinutes.of(dataset), fitted(dataset)
    values = known.words[:, head.buckets].toarray() * head.idf
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-300)
    features = np.hstack([known.own @ values, known.before @ values])
    labels = known.labelled.labels
    weights = np.sqrt(1 / np.bincount(labels)[labels])
    weights /= weights.mean()

    def loss(fitted: FloatArray) -> float:
        logs = np.log(_softmax(head.bias + features @ fitted))
        return float((fitted**2).sum() / 2 - weights @ logs[np.arange(len(labels)), labels])

    found, rng = np.vstack([head.own, head.context]), np.random.default_rng(1)
    for size in (0.3, 0.03, 0.01):
        assert loss(found) < min(loss(found + size * rng.normal(size=found.shape)) for _ in range(20))
    assert loss(found) < loss(0.97 * found)
    assert loss(found) < loss(1.03 * found)


def test_a_word_speaks_for_its_label_and_a_minute_without_known_words_for_none() -> None:
    head = fitted(two_days())
    said = head.logits(head.scores([WORDS["Meet"], ((77, 60),)]), np.array([0, 1]))
    assert said[0].argmax() == MEET
    assert said[1].tolist() == head.bias.tolist()
    assert np.ptp(said[1][[BUILD, DEBUG, MEET]]) < 1e-9


def test_a_label_that_was_never_given_is_not_ruled_out() -> None:
    head = fitted(two_days())
    shares = np.exp(head.bias) / np.exp(head.bias).sum()
    absent = [k for k in range(len(LABEL_SET_V1)) if k not in (BUILD, DEBUG, MEET)]
    assert 0.01 < shares[absent].min() <= shares[absent].max() < shares[BUILD]


def test_the_words_around_a_minute_count_also_where_nobody_labelled_them() -> None:
    quiet = ((9, 60),)
    rows = [
        row(30 * block + k, decided_by="model", word_seconds=quiet if 3 <= k < 6 else WORDS[label])
        for block, label in enumerate(["Build", "Meet"] * 4)
        for k in range(9)
    ]
    spans = [span(30 * block + 3, 30 * block + 6, label) for block, label in enumerate(["Build", "Meet"] * 4)]
    head = fitted(from_rows(rows, spans, weak=weak_or_unlabelled))
    assert set(head.buckets.tolist()) == {9}
    around = head.logits(head.scores([quiet, quiet]), np.array([0, 0]))
    alone = head.logits(head.scores([quiet, quiet]), np.array([0, 1]))
    assert not np.array_equal(around, alone)


@pytest.mark.parametrize("change", [{"is_weak": True}, {"is_models": False}])
def test_rules_teach_it_nothing(change: dict[str, bool]) -> None:
    taught = two_days()
    more = minutes((300, "Meet"), (400, "Build"))
    others = Dataset.of(replace(line, **change) for line in more.lines())
    alone, both = fitted(taught), fitted(Dataset.joined([taught, others]))
    for name in ("buckets", "idf", "own", "context", "bias"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(both, name))


def test_a_word_of_a_single_minute_is_not_known() -> None:
    rare = minutes((900, "Build"), length=1)
    rare = Dataset.of(from_rows([replace(rare.rows()[0], word_seconds=((8, 60),))], [span(900, 901)]).lines())
    assert 8 not in fitted(Dataset.joined([two_days(), rare])).buckets


@pytest.mark.parametrize(
    "dataset",
    [
        minutes((0, "Build"), (30, "Build")),
        from_rows([row(k, decided_by="model") for k in range(9)], [span(0, 4), span(5, 9, "Meet")]),
        from_rows([], []),
    ],
    ids=["one label", "no words", "nothing"],
)
def test_there_is_no_head_of_fewer_than_two_labels_with_words(dataset: Dataset) -> None:
    assert fit_head(dataset, uniform) is None
    assert refit_head(dataset, None) is None


@pytest.mark.parametrize("dataset", [two_days(), minutes(*((30 * k, list(WORDS)[k % 3]) for k in range(12)))])
def test_a_head_that_is_right_about_other_days_counts_more_than_usual(dataset: Dataset) -> None:
    fitted = fit_head(dataset, uniform)
    assert fitted is not None
    head = fitted.head
    assert head.head_power > usual_powers(dataset.block_count)[0]
    assert head.forest_power > 0


def test_what_is_right_counts_more_than_usual() -> None:
    dataset, rng = two_days(), np.random.default_rng(5)
    right, wrong = np.eye(8)[dataset.labels] * 3.0, rng.normal(size=(len(dataset), 8))
    share = 12 / (12 + 15)
    by_head = fit_powers(right, _softmax(wrong), dataset)
    by_forest = fit_powers(wrong, _softmax(right), dataset)
    assert by_head[0] / sum(by_head) > share > by_forest[0] / sum(by_forest)
    assert min(by_head + by_forest) > 0


def test_minutes_without_evidence_leave_the_usual_powers() -> None:
    none = from_rows([], [])
    assert fit_powers(np.zeros((0, 8)), np.zeros((0, 8)), none) == usual_powers(0)
    few, many = usual_powers(5), usual_powers(500)
    assert few[0] < few[1]
    assert many[0] > many[1]


def test_a_refit_keeps_the_powers() -> None:
    dataset = two_days()
    head, other = refit_head(dataset, (0.7, 0.2)), refit_head(dataset, None)
    assert head is not None
    assert other is not None
    assert (head.head_power, head.forest_power) == (0.7, 0.2)
    assert (other.head_power, other.forest_power) == usual_powers(dataset.block_count)
    np.testing.assert_array_equal(head.own, other.own)


def test_the_same_minutes_give_the_same_head() -> None:
    dataset = varied()
    first, second = fit_head(dataset, uniform), fit_head(Dataset.of(list(dataset.lines())[::-1]), uniform)
    assert first is not None
    assert second is not None
    assert first.head.own.tobytes() == second.head.own.tobytes()
    assert first.probs.tobytes() == second.probs.tobytes()
    assert (first.head.head_power, first.head.forest_power) == (second.head.head_power, second.head.forest_power)


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)
