"""Calibrators: fitted on earlier days, chosen on later ones, and only where they show that they help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.calibration import IdentityCalibrator, IsotonicCalibrator, TemperatureCalibrator
from taskclf_tray.infer.calibrator_files import load_calibrator_store, save_calibrator_store
from taskclf_tray.train.calibrate import GLOBAL, Calibration, calibrate
from taskclf_tray.train.calibrate_fits import fit_isotonic, fit_noise, fit_temperature, fit_vector, vector_curves
from taskclf_tray.train.metrics import calibration_error, nll, reliability_bins
from tests.support.people import Minutes, minutes_of

SHARP = 2.5


def calibrated(made: Minutes) -> Calibration:
    return calibrate(made.probs, made.y, days=made.days, block_ids=made.blocks, user_ids=made.users)


def mislabelled(made: Minutes, share: float) -> Minutes:
    """Of the labels so many drawn anew from all eight."""
    rng = np.random.default_rng(5)
    return replace(made, y=np.where(rng.random(len(made.y)) < share, rng.integers(0, 8, len(made.y)), made.y))


def ece(probs: np.ndarray, y: np.ndarray) -> float:
    return calibration_error(reliability_bins(probs.max(axis=1), probs.argmax(axis=1) == y))


def test_a_temperature_is_found_again() -> None:
    made = minutes_of(days=60, sharpness=SHARP)
    found = fit_temperature(made.probs, made.y, made.block_count)
    assert found.temperature == pytest.approx(SHARP, rel=0.12)
    assert ece(found.calibrate(made.probs), made.y) < 0.03 < ece(made.probs, made.y)


def test_few_blocks_move_a_temperature_little() -> None:
    made = minutes_of(days=60, sharpness=SHARP)
    few = made.take(slice(0, 30))
    moved = [fit_temperature(few.probs, few.y, count).temperature for count in (1, 3, 1000)]
    assert abs(np.log(moved[0])) < abs(np.log(moved[1])) < abs(np.log(moved[2]))


def test_vector_scaling_mends_classes_that_are_wrong_each_in_their_way() -> None:
    biases = np.array([0, 1.2, -1.2, 0.6, 0, 0, -0.6, 0])
    made = minutes_of(days=80, biases=biases)
    tempered = fit_temperature(made.probs, made.y, made.block_count).calibrate(made.probs)
    scaled = fit_vector(made.probs, made.y, made.block_count).calibrate(made.probs)
    assert nll(scaled, made.y) < nll(tempered, made.y) - 0.05


def test_the_curves_of_vector_scaling_are_its_formula() -> None:
    rng = np.random.default_rng(2)
    probs = rng.dirichlet(np.full(8, 0.3), size=500)
    weights, biases = rng.uniform(0.5, 2, 8), rng.normal(0, 1, 8)
    logits = np.log(np.maximum(probs, 1e-12)) * weights + biases
    exact = np.exp(logits - logits.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    assert np.abs(vector_curves(weights, biases).calibrate(probs) - exact).max() < 0.005


def test_isotonic_curves_rise_and_never_promise_all_or_nothing() -> None:
    made = minutes_of(days=4)
    curves = fit_isotonic(made.probs, made.y, made.block_count)
    for curve in curves.regressors:
        assert list(curve.y_thresholds) == sorted(curve.y_thresholds)
        assert curve.y_thresholds[0] > 0
        assert curve.y_thresholds[-1] < 1
    surprise = np.full((1, 8), 1e-9)
    surprise[0, 0] = 1.0
    assert nll(curves.calibrate(surprise), np.array([1])) < 8


def test_an_overconfident_model_is_cooled_and_gains_on_days_nobody_has_seen() -> None:
    made, later = minutes_of(days=12, sharpness=SHARP, seed=1), minutes_of(days=12, sharpness=SHARP, seed=2)
    found = calibrated(made)
    assert found.global_choice.method != "identity"
    store = found.store
    probs = store.calibrate_batch(later.probs, later.users)
    assert nll(probs, later.y) < nll(later.probs, later.y) - 0.1
    assert ece(probs, later.y) < 0.5 * ece(later.probs, later.y)
    assert "On later days" in found.global_choice.reason


def test_a_calibrated_model_hardly_changes() -> None:
    for seed in range(8):
        made, later = minutes_of(days=10, seed=seed), minutes_of(days=20, seed=100 + seed)
        found = calibrated(made)
        choice = found.global_choice
        assert choice.nll["identity"] >= choice.nll[choice.method]
        probs = found.store.calibrate_batch(later.probs, later.users)
        assert nll(probs, later.y) < nll(later.probs, later.y) + 0.02


def test_how_many_labels_are_wrong_is_found() -> None:
    few, none = mislabelled(minutes_of(days=60), 0.15), minutes_of(days=60)
    assert fit_noise(few.probs, few.y, few.block_count) == pytest.approx(0.15, abs=0.05)
    assert fit_noise(none.probs, none.y, none.block_count) < 0.03


@pytest.mark.parametrize("sharpness", [0.7, 1.0, 1.5])
def test_wrong_labels_make_nothing_unsure(sharpness: float) -> None:
    """What is right in nine minutes of ten must not be promised less because the labels are wrong more often."""
    made = mislabelled(minutes_of(days=20, sharpness=sharpness, seed=1), 0.15)
    later = minutes_of(days=20, sharpness=sharpness, seed=2)
    found = calibrated(made)
    probs = found.store.calibrate_batch(later.probs, later.users)
    believing = fit_temperature(made.probs, made.y, made.block_count).calibrate(later.probs)
    assert nll(probs, later.y) < nll(believing, later.y)
    assert ece(probs, later.y) < ece(believing, later.y)
    assert found.global_choice.noise is not None


def test_the_ends_of_a_block_teach_nothing() -> None:
    made = minutes_of(days=12, sharpness=SHARP)
    order = np.arange(len(made.y))
    ends = [order[made.blocks == block][[0, 1, -2, -1]] for block in np.unique(made.blocks)]
    ragged = made.y.copy()
    ragged[np.concatenate(ends)] = 0
    found = calibrated(replace(made, y=ragged))
    assert found.store.digest == calibrated(made).store.digest
    assert found.global_choice.minutes == len(made.y) - 4 * made.block_count


def test_of_a_short_block_the_middle_is_left() -> None:
    made = minutes_of(days=2)
    short = replace(made, blocks=np.arange(len(made.y)) // 3)
    assert calibrated(short).global_choice.minutes == -(-len(made.y) // 3)


def test_few_data_are_not_offered_curves() -> None:
    found = calibrated(minutes_of(days=6, sharpness=SHARP, blocks_a_day=4))
    assert set(found.global_choice.nll) == {"identity", "temperature"}
    many = calibrated(minutes_of(days=60, sharpness=SHARP))
    assert set(many.global_choice.nll) == {"identity", "temperature", "vector", "isotonic"}


def test_choosing_never_makes_it_much_worse() -> None:
    """Isotonic curves of one person on few rows can double the loss; here nothing is worse by more than 0.03 nats."""
    for seed in range(12):
        made = minutes_of(days=4, sharpness=1.3, seed=seed, blocks_a_day=8)
        later = minutes_of(days=20, sharpness=1.3, seed=100 + seed)
        probs = calibrated(made).store.calibrate_batch(later.probs, later.users)
        assert nll(probs, later.y) < nll(later.probs, later.y) + 0.03


def test_one_day_has_no_later_one_to_choose_on() -> None:
    found = calibrated(minutes_of(days=1))
    assert found.store.global_calibrator == IdentityCalibrator()
    assert "no later day" in found.global_choice.reason
    empty = calibrated(minutes_of(days=1).take(slice(0, 0)))
    assert empty.global_choice.minutes == 0


def test_a_person_who_differs_gets_a_calibrator_of_their_own() -> None:
    usual = [minutes_of(days=15, seed=seed, user=f"usual-{seed}") for seed in range(3)]
    odd = minutes_of(days=15, sharpness=4.0, seed=9, user="odd")
    found = calibrated(Minutes.joined([*usual, odd]))
    assert "odd" in found.store.user_ids
    assert found.user_choices["odd"].method != GLOBAL
    assert set(found.to_dict()["users"]) == {"odd", "usual-0", "usual-1", "usual-2"}
    own = found.store.calibrate_batch(odd.probs, odd.users)
    assert nll(own, odd.y) < nll(found.store.global_calibrator.calibrate(odd.probs), odd.y)


def test_people_who_are_alike_share_one() -> None:
    found = calibrated(Minutes.joined([minutes_of(days=15, seed=seed, user=f"usual-{seed}") for seed in range(3)]))
    assert found.store.user_ids == ()
    assert {choice.method for choice in found.user_choices.values()} == {GLOBAL}


@pytest.mark.parametrize(
    ("blocks", "days", "labels", "is_eligible"),
    [(20, 3, 3, True), (5, 3, 3, False), (30, 2, 3, False), (20, 3, 2, False)],
)
def test_who_may_have_a_calibrator(blocks: int, days: int, labels: int, is_eligible: bool) -> None:
    """200 minutes, 3 days, 3 labels."""
    one = minutes_of(days=days, user="one", blocks_a_day=blocks, labels=labels)
    found = calibrated(Minutes.joined([minutes_of(days=10, user="other", seed=5), one]))
    assert ("one" in found.user_choices) is is_eligible


def test_the_store_is_bound_and_read_back_the_same(tmp_path: Path) -> None:
    made = minutes_of(days=12, sharpness=SHARP)
    found = calibrate(
        made.probs, made.y, days=made.days, block_ids=made.blocks, user_ids=made.users,
        model_bundle_id="a-bundle", model_schema_hash="hash", created_at="2026-03-02T08:00:00+00:00",
    )  # fmt: skip
    read = load_calibrator_store(save_calibrator_store(found.store, tmp_path / "store"))
    assert (read.model_bundle_id, read.model_schema_hash) == ("a-bundle", "hash")
    assert read.digest == found.store.digest
    kind = "isotonic" if isinstance(read.global_calibrator, IsotonicCalibrator) else "temperature"
    assert read.method == kind
    assert isinstance(read.global_calibrator, IsotonicCalibrator | TemperatureCalibrator)


def test_the_same_minutes_give_the_same_store() -> None:
    made = minutes_of(days=12, sharpness=SHARP)
    assert calibrated(made).store.digest == calibrated(made).store.digest


def test_columns_of_different_length() -> None:
    made = minutes_of(days=2)
    with pytest.raises(ValueError, match="equally many"):
        calibrate(made.probs, made.y[1:], days=made.days, block_ids=made.blocks, user_ids=made.users)
    assert len(LABEL_SET_V1) == made.probs.shape[1]
