"""The gates: what passes, what is refused, and in which words. Fifty bad challengers, each bad in its own way."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from taskclf_tray.core.config import Config
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.calibration import CalibratorStore, TemperatureCalibrator
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.train.batch_inputs import export_rows
from taskclf_tray.train.comparison import ModelComparison, gated_macro_f1
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.evaluate import Answers, Evaluation, answer, evaluate
from taskclf_tray.train.fit import FitOptions, TrainedModel, fit
from taskclf_tray.train.gates import Gate, Verdict, bundle_gate, judge, leaked_days, often_wrong, unlabelled_breaks
from taskclf_tray.train.metrics import ReliabilityBin, overconfidence
from tests.support.judgements import BREAK, FINE, PACKED, changed, judged
from tests.support.labelled import BUILD, DEBUG, MEET, line
from tests.support.worked_days import make_home, spans_of, write_export

QUICK = FitOptions(rounds=25)
DAYS = range(6)


# -- a person's days ----------------------------------------------------------------------------------------


@functools.cache
def days() -> Dataset:
    """Four kinds of work, and a program of another kind in front every sixth time."""
    with tempfile.TemporaryDirectory() as folder:
        paths = make_home(Path(folder) / "home")
        rows = export_rows(paths, write_export(Path(folder) / "export.json", DAYS), Config(), 60)
    return from_rows(rows, spans_of(DAYS))


@functools.cache
def cut() -> tuple[Dataset, Dataset]:
    """The first four days, and the last two."""
    last = np.unique(days().days)[3]
    return days().take(days().days <= last), days().take(days().days > last)


def answers_of(model: TrainedModel, rows: Dataset, temperature: float = 1.0) -> Answers:
    config = PipelineConfig(
        model=model.forest,
        time_basis="local",
        cat_encoders=model.cat_encoders,
        calibrator_store=CalibratorStore(TemperatureCalibrator(temperature)),
        reject_threshold=0.3,
    )
    return answer(config, rows)


def verdict_of(training: Dataset, held_out: Dataset, temperature: float = 1.0) -> Verdict:
    """Trained, judged, and sentenced, with the good model in use."""
    model = fit(training, options=QUICK, least_blocks=1)
    evaluation = evaluate(held_out, answers_of(model, held_out, temperature), resamples=0)
    champion = evaluate(held_out, answers_of(good_model(), held_out), resamples=0)
    return judge(evaluation, ModelComparison(evaluation, champion), leaked=leaked_days(training, held_out))


def failed(verdict: Verdict) -> set[str]:
    return {gate.name for gate in verdict.gates if not gate.holds}


@functools.cache
def good_model() -> TrainedModel:
    return fit(cut()[0], options=QUICK)


def test_a_good_challenger_passes() -> None:
    verdict = verdict_of(*cut())
    assert verdict.reasons == ()
    assert verdict.is_accepted
    assert json.loads(json.dumps(verdict.to_dict()))["is_accepted"] is True


# -- fifty bad ones -----------------------------------------------------------------------------------------


def relabelled(dataset: Dataset, labels: np.ndarray) -> Dataset:
    return dataclasses.replace(dataset, labels=labels)


def shuffled() -> Iterator[tuple[str, Verdict]]:
    """Labels that are anybody's guess."""
    training, held_out = cut()
    for seed in range(11):
        mixed = relabelled(training, np.random.default_rng(seed).permutation(training.labels))
        yield f"shuffled {seed}", verdict_of(mixed, held_out)


def without_a_class() -> Iterator[tuple[str, Verdict]]:
    """It has never seen a label that the held-out days have."""
    training, held_out = cut()
    counts = np.bincount(held_out.labels, minlength=8)
    for label in np.flatnonzero(counts >= 20).tolist():
        yield f"without {LABEL_SET_V1[label]}", verdict_of(training.take(training.labels != label), held_out)


def swapped() -> Iterator[tuple[str, Verdict]]:
    """Two labels taken for each other."""
    training, held_out = cut()
    counts = np.bincount(held_out.labels, minlength=8)
    common = np.argsort(-counts)[:4].tolist()
    for a, b in zip(common, common[1:] + common[:1], strict=True):
        labels = training.labels.copy()
        labels[training.labels == a], labels[training.labels == b] = b, a
        yield f"{LABEL_SET_V1[a]} and {LABEL_SET_V1[b]} swapped", verdict_of(relabelled(training, labels), held_out)


def leaked() -> Iterator[tuple[str, Verdict]]:
    """It was shown a day it is judged on."""
    training, held_out = cut()
    for day in np.unique(held_out.days).tolist():
        shown = Dataset.joined([training, days().take(days().days == day)])
        yield f"leaked {day}", verdict_of(shown, held_out)


def tiny() -> Iterator[tuple[str, Verdict]]:
    """Fifty rows, all told."""
    training, held_out = cut()
    for seed in range(5):
        start = random.Random(seed).randrange(len(held_out) - 25)
        yield f"50 rows {seed}", verdict_of(training.take(np.arange(25)), held_out.take(np.arange(start, start + 25)))


def overconfident() -> Iterator[tuple[str, Verdict]]:
    """A sharp temperature has it sure of everything, and it is right five times of six."""
    training, held_out = cut()
    for k in range(6):
        yield f"over-confident {k}", verdict_of(training, held_out, 0.05 * (k + 1))


def damaged(folder: Path) -> Iterator[tuple[str, Verdict]]:
    """Files that cannot be served, however good the figures are."""
    held_out = cut()[1]
    answers = answers_of(good_model(), held_out)
    evaluation = evaluate(held_out, answers, resamples=0)
    whole = good_model().save(folder, evaluation.bundle_metrics(), evaluation.confusion.tolist())
    metadata, text = json.loads((whole / "metadata.json").read_text()), (whole / "model.txt").read_bytes()

    def verdict(name: str, file: str, content: bytes | None) -> tuple[str, Verdict]:
        bundle = folder / "bad" / name.replace(" ", "-")
        shutil.copytree(whole, bundle)
        (bundle / file).unlink() if content is None else (bundle / file).write_bytes(content)
        return name, judge(evaluation, bundle=bundle_gate(bundle))

    def with_metadata(name: str, **changes: object) -> tuple[str, Verdict]:
        return verdict(name, "metadata.json", json.dumps(metadata | changes).encode())

    assert judge(evaluation, bundle=bundle_gate(whole)).is_accepted
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        yield verdict(f"truncated at {share}", "model.txt", text[: int(share * len(text))])
    for seed in range(4):
        place = random.Random(seed).randrange(len(text))
        yield verdict(f"flipped {seed}", "model.txt", text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
    yield with_metadata("wrong hash", schema_hash="0" * 12)
    yield with_metadata("wrong schema", schema_version="v1")
    yield with_metadata("unknown schema", schema_version="v9")
    yield with_metadata("wrong labels", label_set=[*LABEL_SET_V1[:-1], "Play"])
    yield with_metadata("seven labels", label_set=list(LABEL_SET_V1[:-1]))
    yield with_metadata("no digest", sha256=None)
    for file in ("model.txt", "metadata.json", "metrics.json", "categorical_encoders.json"):
        yield verdict(f"without {file}", file, None)


def test_fifty_bad_challengers_are_refused(tmp_path: Path) -> None:
    found: dict[str, Verdict] = {}
    for kind in (shuffled(), without_a_class(), swapped(), leaked(), tiny(), overconfident(), damaged(tmp_path)):
        found.update(kind)
    assert len(found) >= 50, sorted(found)
    assert [name for name, verdict in found.items() if verdict.is_accepted] == []
    for name, verdict in found.items():
        assert verdict.reasons, name
        assert all(reason.endswith(".") for reason in verdict.reasons), (name, verdict.reasons)
    expected = {"leaked": "leak", "50 rows": "evidence", "over-confident": "confidence", "truncated": "bundle"}
    for start, gate in expected.items():
        assert all(gate in failed(verdict) for name, verdict in found.items() if name.startswith(start)), start


# -- each gate ----------------------------------------------------------------------------------------------


def words_of(verdict: Verdict, name: str) -> str:
    (gate,) = [gate for gate in verdict.gates if gate.name == name and not gate.holds]
    return gate.words


def test_a_label_with_few_minutes_is_not_gated_and_said() -> None:
    counts = changed(2, [0, 19, 0, 0])  # 19 minutes of Meet, never recognised
    counts[1] = [4, 60, 0, 0]
    verdict = judge(judged(counts))
    assert failed(verdict) == set()
    assert "Too few minutes to judge: Meet (19); 20 are needed." in verdict.notes
    counts[2] = [0, 20, 0, 0]
    assert "missing_class" in failed(judge(judged(counts)))


def test_a_label_both_models_miss_is_no_reason_against_the_new_one() -> None:
    counts = changed(2, [4, 16, 0, 0])
    counts[0], counts[1] = [80, 4, 0, 0], [4, 80, 0, 0]
    evaluation = judged(counts)
    assert "Meet is never recognised, though 20 of the minutes were that" in words_of(
        judge(evaluation), "missing_class"
    )
    assert "missing_class" not in failed(judge(evaluation, ModelComparison(evaluation, evaluation)))


def test_breaks_must_be_right_and_found() -> None:
    verdict = judge(judged(changed(0, [36, 4, 0, 4])))
    assert "Of the minutes it calls BreakIdle 88 % are breaks; 95 % would be good." in words_of(
        verdict, "break_precision"
    )
    verdict = judge(judged(changed(3, [4, 0, 0, 26])))
    assert "Of the breaks it recognises 87 %; 90 % would be good." in words_of(verdict, "break_recall")


def test_minutes_of_the_idle_rule_count_for_breaks() -> None:
    counts = changed(3, [4, 0, 0, 26])
    assert failed(judge(judged(counts, idle=30))) == set()  # labelled ones
    verdict = judge(judged(counts), idle_minutes=30)  # and those that nobody labelled
    assert failed(verdict) == set()
    assert any("30 minutes of the idle rule counted" in gate.words for gate in verdict.gates)
    weak = [line(k, BREAK, is_weak=True, is_models=False) for k in range(7)]
    weak += [line(2000 + k, BREAK, is_weak=True, is_models=False) for k in range(5)]  # of another day
    weak += [line(20 + k, MEET, is_weak=True) for k in range(5)]
    dataset = Dataset.of([*weak, line(100)])
    assert unlabelled_breaks(dataset, dataset.take(np.array([len(dataset) - 6]))) in (0, 7)
    assert unlabelled_breaks(dataset, dataset.take(dataset.days == dataset.days.min())) == 7


def test_half_of_what_a_label_is_given_must_be_right() -> None:
    verdict = judge(judged([[60, 0, 21, 0], [0, 60, 0, 0], [0, 0, 20, 0], [0, 0, 0, 30]]))
    assert "Of the minutes it calls Meet 49 % are right; 50 % would be good." in words_of(verdict, "precision")


def test_macro_and_weighted_f1_name_what_would_help() -> None:
    verdict = judge(judged([[20, 20, 0, 0], [25, 15, 0, 0], [20, 0, 10, 0], [0, 0, 0, 30]]))
    assert "more labelled blocks of these would help" in words_of(verdict, "macro_f1")
    assert "0.70 would be good" in words_of(verdict, "weighted_f1")


def test_too_little_to_judge_on() -> None:
    verdict = judge(judged([[30, 0, 0, 0], [0, 29, 0, 0], [0] * 4, [0] * 4]))
    assert "There were 59 labelled minutes to judge it on; 60 are needed." in words_of(verdict, "evidence")
    verdict = judge(judged([[60, 0, 0, 0], [0, 19, 0, 0], [0] * 4, [0] * 4]))
    assert "1 label had at least 20; 2 are needed" in words_of(verdict, "evidence")


def test_the_champion_is_only_lost_to_by_the_tolerance() -> None:
    better = judged([[44, 0, 0, 0], [0, 44, 0, 0], [0, 0, 30, 0], [0, 0, 0, 30]])
    near, far = (judged([[44 - k, k, 0, 0], [k, 44 - k, 0, 0], [0, 0, 30, 0], [0, 0, 0, 30]]) for k in (1, 3))
    gaps = [gated_macro_f1(better.confusion) - gated_macro_f1(one.confusion) for one in (near, far)]
    assert gaps[0] < 0.02 < gaps[1]
    assert failed(judge(near, ModelComparison(near, better))) == set()
    verdict = judge(far, ModelComparison(far, better))
    assert "it may lose at most 0.02. The model in use stays." in words_of(verdict, "champion")


def test_only_models_judged_on_the_same_minutes_are_compared() -> None:
    other = judged(changed(2, [0, 0, 29, 0]))
    with pytest.raises(ValueError, match="different minutes"):
        ModelComparison(judged(FINE), other)


def test_doubt_is_no_reason_against_a_model() -> None:
    much, less = (judged(FINE, rejected=share) for share in (0.9, 0.35))
    assert failed(judge(much, ModelComparison(much, less))) == set()
    assert any("unsure of only 0 %" in note for note in judge(judged(FINE, rejected=0.0)).notes)


def test_absolute_figures_are_told_and_refuse_nothing() -> None:
    poor = judged([[14, 26, 0, 0], [30, 10, 0, 0], [0, 20, 10, 0], [0, 0, 0, 30]], confidence=0.3)
    worse = judged([[10, 30, 0, 0], [36, 4, 0, 0], [0, 26, 4, 0], [0, 10, 0, 20]], confidence=0.3)
    verdict = judge(poor, ModelComparison(poor, worse, is_personal=False))
    assert verdict.is_accepted
    assert {"macro_f1", "weighted_f1", "precision"} <= failed(verdict)
    assert any("Worst are Debug" in words for words in verdict.advice)
    assert often_wrong(poor) == ["Debug", "Build"]
    assert verdict.to_dict()["advice"] == list(verdict.advice)


def test_the_starter_must_be_beaten_clearly_and_a_personal_model_need_not() -> None:
    new, old = judged(FINE), judged([[39, 5, 0, 0], [4, 40, 0, 0], [0, 0, 30, 0], [0, 0, 0, 30]])
    assert failed(judge(new, ModelComparison(new, new))) == set()
    verdict = judge(new, ModelComparison(new, new, is_personal=False))
    words = words_of(verdict, "champion")
    assert "it is right in 95 %, the starter model in 95 %, which is not clearly better." in words
    assert "Label Build (right in 91 %) and Debug (right in 91 %) on two more days" in words
    verdict = judge(new, ModelComparison(new, old, is_personal=False))
    assert "more day" in words_of(verdict, "champion")


def told(right_on: list[int], confidence: float = 0.5) -> Evaluation:
    """Of twenty minutes a day, as many pairs of Build and Debug as it names rightly on each day."""
    dataset = Dataset.of(
        [line(1440 * day + k, (BUILD, DEBUG)[k % 2], packed=PACKED) for day in range(len(right_on)) for k in range(20)]
    )
    said = np.array([(BUILD, DEBUG)[(k + (k // 2 >= n)) % 2] for n in right_on for k in range(20)])
    probs = np.full((len(said), 8), (1 - confidence) / 7)
    probs[np.arange(len(said)), said] = confidence
    none = np.zeros(len(said), dtype=np.bool_)
    return evaluate(dataset, Answers(probs, said, none, said, np.full(len(said), confidence)), resamples=0)


def test_a_gain_must_be_there_on_most_days() -> None:
    """Both models are right in half of the minutes; one of them is better on one day of ten, and there by far."""

    usual = told([5] * 10)
    once, always = (ModelComparison(told(days), usual, is_personal=False) for days in ([10] + [5] * 9, [6] * 10))
    assert once.days == 10
    assert once.accuracy.gain == pytest.approx(0.05)
    assert (once.accuracy.is_clear, always.accuracy.is_clear) == (False, True)
    assert once.days_to_show() is not None
    assert always.accuracy.share_above(0.0) == 1.0
    assert not judge(always.challenger, always).reasons


def test_a_model_may_be_too_sure_where_what_is_served_is_more_so() -> None:
    sure, surer = (judged([[60, 40, 0, 0], [40, 60, 0, 0], [0] * 4, [0] * 4], confidence=c) for c in (0.8, 0.9))
    assert "confidence" in failed(judge(sure))
    assert "confidence" in failed(judge(surer, ModelComparison(surer, sure)))
    assert failed(judge(sure, ModelComparison(sure, surer))) <= {"macro_f1", "weighted_f1"}


def test_too_sure_by_chance_is_no_reason_against_a_model() -> None:
    """On days as unlike as these, what is served looks nearly as sure, or ten points may be chance; 35 are not."""
    served = told([0, 8, 1, 7, 2, 8, 0, 7, 1, 6], 0.45)
    other_days, surer, always = (
        told(days, confidence)
        for days, confidence in (
            ([9, 0, 8, 1, 7, 0, 8, 1, 9, 0], 0.55),
            ([0, 8, 1, 7, 2, 8, 0, 7, 1, 6], 0.55),
            ([0, 8, 1, 6, 2, 8, 0, 7, 1, 6], 0.75),
        )
    )
    by_chance, slightly, clearly = (ModelComparison(model, served) for model in (other_days, surer, always))
    assert by_chance.overconfidence.challenger == pytest.approx(0.55 - 0.43)
    assert clearly.overconfidence.gain == pytest.approx(0.75 - 0.45 + 0.01)
    assert (by_chance.overconfidence.is_clear, slightly.overconfidence.is_clear) == (False, True)
    for comparison in (by_chance, slightly):
        assert "confidence" in failed(judge(comparison.challenger))
        assert "confidence" not in failed(judge(comparison.challenger, comparison))
    assert "confidence" in failed(judge(always, clearly))
    few = ModelComparison(told([0, 8, 1], 0.9), told([0, 8, 1], 0.5))  # whose blocks are drawn
    assert "confidence" in failed(judge(few.challenger, few))


def test_overconfidence_is_averaged_over_coarse_bins() -> None:
    small = [ReliabilityBin(0.8, 1.0, 10), ReliabilityBin(0.8, 0.6, 10), ReliabilityBin(0.8, 0.8, 40)]
    assert overconfidence(small) == pytest.approx(0.0)  # luck in small bins is none in a large one
    large = [ReliabilityBin(0.6, 0.9, 50), ReliabilityBin(0.95, 0.75, 50), ReliabilityBin(0.9, 0.9, 20)]
    assert overconfidence(large) == pytest.approx((50 * 0.95 + 20 * 0.9 - 50 * 0.75 - 20 * 0.9) / 120)
    assert overconfidence([]) == 0.0


def test_a_verdict_needs_every_gate() -> None:
    gates = (Gate("a", True, "Fine."), Gate("b", False, "Not fine."))
    assert not Verdict(gates).is_accepted
    assert Verdict(gates).reasons == ("Not fine.",)
