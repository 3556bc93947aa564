"""Calibrators: golden vectors, the same bits alone and in a batch, and files that are damaged or hostile."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.errors import CalibratorError
from taskclf_tray.infer import calibration
from taskclf_tray.infer.batch import run_batch_inference
from taskclf_tray.infer.calibration import (
    Calibrator,
    CalibratorStore,
    IdentityCalibrator,
    IsotonicCalibrator,
    IsotonicRegressor,
    TemperatureCalibrator,
    load_calibrator,
    load_calibrator_store,
    save_calibrator,
    save_calibrator_store,
)
from taskclf_tray.infer.calibrator_files import parse_calibrator
from tests.support.sample_rows import DATA, HOME, FakeModel, golden, golden_frame, told_row

GOLDEN: list[dict[str, Any]] = json.loads((DATA / "golden_calibration.json").read_text())
STORES = {"temperature": "calibrator_store", "isotonic": "calibrator_store_isotonic"}


def store_of(method: str) -> CalibratorStore:
    return load_calibrator_store(HOME / "artifacts" / STORES[method])


def one_curve(**values: Any) -> dict[str, Any]:
    """An isotonic document whose eight curves are the identity, the first with other values."""
    curve = {
        "X_thresholds_": [0.0, 1.0],
        "y_thresholds_": [0.0, 1.0],
        "X_min_": 0.0,
        "X_max_": 1.0,
        "increasing_": True,
        "out_of_bounds": "clip",
    }
    return {"type": "isotonic", "regressors": [{**curve, **values}, *[curve] * 7]}


@pytest.mark.parametrize("case", GOLDEN, ids=range(len(GOLDEN)))
def test_golden(case: dict[str, Any]) -> None:
    calibrator = parse_calibrator(case["file"])
    answer = calibrator.calibrate(np.array(case["probs"]))
    np.testing.assert_allclose(answer, case["out"], rtol=0, atol=1e-12)
    assert calibrator.to_dict() == case["file"]


@pytest.mark.parametrize("method", list(STORES))
def test_golden_store(method: str) -> None:
    answer = store_of(method).calibrate_batch(golden("raw_proba"), golden_frame()["user_id"].tolist())
    np.testing.assert_allclose(answer, golden(f"calibrated_{method}"), rtol=0, atol=1e-12)


CALIBRATORS = [
    TemperatureCalibrator(0.31),
    TemperatureCalibrator(2.2),
    store_of("isotonic").global_calibrator,
    IdentityCalibrator(),
]


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=["cold", "warm", "isotonic", "identity"])
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 70), sharpness=st.sampled_from([0.01, 0.3, 5.0]))
def test_a_row_alone_has_the_bits_it_has_in_any_batch(
    calibrator: Calibrator, seed: int, rows: int, sharpness: float
) -> None:
    probs = np.random.default_rng(seed).dirichlet([sharpness] * 8, rows)
    together = calibrator.calibrate(probs)
    np.testing.assert_allclose(together.sum(axis=1), 1.0, atol=1e-12)
    for i in range(rows):
        assert calibrator.calibrate(probs[i : i + 1]).tobytes() == together[i : i + 1].tobytes()
        assert calibrator.calibrate(probs[i]).tobytes() == together[i].tobytes()
    assert calibrator.calibrate(probs[::-2]).tobytes() == np.ascontiguousarray(together[::-2]).tobytes()
    assert calibrator.calibrate(np.asfortranarray(probs)).tobytes() == together.tobytes()


@settings(max_examples=60)
@given(values=st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_isotonic_interpolates_like_numpy(values: list[float]) -> None:
    regressor = IsotonicRegressor((0.1, 0.2, 0.2, 0.7), (0.0, 0.1, 0.4, 0.9))
    answer = IsotonicCalibrator((regressor,) * 8).calibrate(np.array([values]))
    expected = np.maximum(np.interp(values, [0.1, 0.2, 0.7], [0.0, 0.4, 0.9]), 1e-12)
    left = (np.array(values) >= 0.1) & (np.array(values) < 0.2)
    expected[left] = np.maximum(np.array(values)[left] - 0.1, 1e-12)
    np.testing.assert_allclose(answer[0], expected / expected.sum(), atol=1e-12)


def test_zero_probabilities_are_floored() -> None:
    probs = np.array([1.0, *[0.0] * 7])
    assert TemperatureCalibrator(1.0).calibrate(probs)[1] == pytest.approx(1e-12, rel=1e-9)
    assert parse_calibrator(one_curve()).calibrate(probs)[1] == pytest.approx(1e-12, rel=1e-9)


def test_a_user_has_their_own_and_others_the_global_one() -> None:
    store = CalibratorStore(IdentityCalibrator(), {"ann": TemperatureCalibrator(2.0)})
    probs = np.random.default_rng(1).dirichlet([1.0] * 8, 6)
    users = ["ann", "bob", "ann", "", "cy", "ann"]
    answer = store.calibrate_batch(probs, users)
    for i, user in enumerate(users):
        assert answer[i].tobytes() == store.get_calibrator(user).calibrate(probs[i]).tobytes()
    assert (answer[1] == probs[1]).all()
    assert (answer[0] != probs[0]).all()
    assert store.calibrate_batch(np.empty((0, 8)), []).shape == (0, 8)
    with pytest.raises(ValueError, match="6 rows"):
        store.calibrate_batch(probs, ["ann"])


@pytest.mark.parametrize("method", list(STORES))
def test_store_survives_the_disk(method: str, tmp_path: Path) -> None:
    store = store_of(method)
    assert store.model_bundle_id == "2026-11-21_082102_run-9643"
    assert len(store.user_ids) == 3
    again = load_calibrator_store(save_calibrator_store(store, tmp_path / "store"))
    assert again == store
    assert again.digest == store.digest


def test_digest_follows_what_is_answered() -> None:
    plain = CalibratorStore(TemperatureCalibrator(2.0))
    assert plain.digest == CalibratorStore(TemperatureCalibrator(2.0), model_bundle_id="x").digest
    assert plain.digest != CalibratorStore(TemperatureCalibrator(2.1)).digest
    assert plain.digest != CalibratorStore(TemperatureCalibrator(2.0), {"ann": IdentityCalibrator()}).digest


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=["cold", "warm", "isotonic", "identity"])
def test_calibrator_survives_the_disk(calibrator: Calibrator, tmp_path: Path) -> None:
    assert load_calibrator(save_calibrator(calibrator, tmp_path / "c.json")) == calibrator


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "type is null"),
        ({"type": "platt"}, "platt"),
        ({"type": "temperature"}, "temperature is missing"),
        ({"type": "temperature", "temperature": 0}, "above 0"),
        ({"type": "temperature", "temperature": -1.0}, "above 0"),
        ({"type": "temperature", "temperature": True}, "true"),
        ({"type": "temperature", "temperature": "2"}, "the text '2'"),
        ({"type": "temperature", "temperature": 10**400}, "temperature"),
        ({"type": "isotonic"}, "regressors is missing"),
        ({"type": "isotonic", "regressors": []}, "0 curves"),
        ({"type": "isotonic", "regressors": [1] * 8}, "regressors[0]"),
        (one_curve(X_thresholds_=[0.0, 0.5, 1.0]), "3 x and 2 y"),
        (one_curve(X_thresholds_=[], y_thresholds_=[]), "0 x and 0 y"),
        (one_curve(X_thresholds_=[1.0, 0.0]), "descend"),
        (one_curve(X_thresholds_=[0.0, "1"]), "regressors[0].X_thresholds_"),
        (one_curve(y_thresholds_=None), "y_thresholds_"),
        (one_curve(X_min_="0"), "regressors[0].X_min_"),
        (one_curve(out_of_bounds="nan"), "out_of_bounds"),
        ({"type": "temperature", "temperature": 5e-324}, "between 0.01 and 100"),
        ({"type": "temperature", "temperature": 100.1}, "between 0.01 and 100"),
        (one_curve(y_thresholds_=[0.0, 1e308]), "outside 0 to 1"),
        (one_curve(y_thresholds_=[-0.1, 1.0]), "outside 0 to 1"),
        (one_curve(X_thresholds_=[0.0, 1.1], X_max_=1.1), "outside 0 to 1"),
        (one_curve(y_thresholds_=[0.6, 0.4]), "y thresholds of an isotonic curve descend"),
        (one_curve(increasing_=False), "y thresholds of an isotonic curve rise"),
        (one_curve(X_thresholds_=[0.5, 1.0], X_max_=0.2), "limits"),
    ],
)
def test_damage_is_named(document: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))
    with pytest.raises(CalibratorError) as caught:
        load_calibrator(path)
    assert "broken.json" in caught.value.title
    assert reason in caught.value.title
    assert caught.value.next_step


def test_curves_of_taskclf_may_fall_and_be_off_by_a_rounding() -> None:
    falling = one_curve(y_thresholds_=[1.0 + 2e-16, 0.0], increasing_=False)
    assert parse_calibrator(falling).calibrate(np.full(8, 0.125)).argmax() == 0


def test_thresholds_a_hair_apart_give_numbers() -> None:
    steep = one_curve(X_thresholds_=[0.0, 5e-324, 1.0], y_thresholds_=[0.0, 1.0, 1.0])
    probs = np.array([[0.0, 1.0, *[0.0] * 6], [5e-324, 1.0, *[0.0] * 6]] * 4)
    for rows in (probs, probs[:1]):
        assert np.isfinite(parse_calibrator(steep).calibrate(rows)).all()


EXTREMES = [
    0,
    5e-324,
    1e-308,
    1e-17,
    -1e-9,
    1 + 1e-16,
    1.5,
    99.0,
    1e17,
    1e308,
    -1.0,
    0.5,
    1,
    True,
    None,
    "1",
    [],
    [0.5],
]


def damaged(value: Any, random: Random) -> Any:
    """The document with one value of it put out of place."""
    if isinstance(value, dict | list) and value and random.random() < 0.95:
        key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
        changed = value.copy()
        if random.random() < 0.05:
            del changed[key]
        elif isinstance(value, list) and random.random() < 0.2:
            changed.insert(key, random.choice(EXTREMES))
        else:
            changed[key] = damaged(value[key], random)
        return changed
    if isinstance(value, int | float) and random.random() < 0.5:
        return value * random.choice([-1, 0.999, 1.001, 1e-3, 1e3, 1e-300, 1e300])
    return random.choice(EXTREMES)


def test_no_damaged_store_makes_the_batch_answer_nan(tmp_path: Path) -> None:
    random = Random(11)
    curve = {"X_thresholds_": [0.0, 0.1, 0.4, 1.0], "y_thresholds_": [0.0, 0.2, 0.2, 1.0], "X_min_": 0.0, "X_max_": 1.0}
    whole = [{"type": "temperature", "temperature": 2.1}, {"type": "isotonic", "regressors": [curve] * 8}]
    rows = [told_row(i, "Build", 0.9) for i in range(3)]
    probs = np.vstack([np.eye(8), np.full(8, 0.125), golden("raw_proba")[:30]])
    accepted = 0
    for n in range(4000):
        document = damaged(whole[n % 2], random)
        for _ in range(random.randrange(3)):
            document = damaged(document, random)
        try:
            calibrator = parse_calibrator(json.loads(json.dumps(document)) if isinstance(document, dict) else {})
        except CalibratorError:
            continue
        accepted += 1
        for answer in (calibrator.calibrate(probs), calibrator.calibrate(probs[0])):
            assert np.isfinite(answer).all(), document
            np.testing.assert_allclose(answer.sum(axis=-1), 1, atol=1e-9, err_msg=str(document))
        if accepted % 10 == 0:
            store = load_calibrator_store(save_calibrator_store(CalibratorStore(calibrator), tmp_path / "store"))
            result = run_batch_inference(FakeModel(), rows, calibrator_store=store)
            assert np.isfinite(result.core_probs).all()
            assert np.isfinite(result.confidences).all()
    assert accepted > 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "nonsense",
        '{"type": "temperature", "temperature": NaN}',
        '{"type": 1, "type": 2}',
        '{"type": "temperature", "temperature": 1e999}',
        "[" * 100_000,
    ],
)
def test_text_that_is_no_calibrator(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(CalibratorError, match=r"broken\.json"):
        load_calibrator(path)
    with pytest.raises(CalibratorError, match=r"absent\.json"):
        load_calibrator(tmp_path / "absent.json")


def write_store(where: Path, user_ids: Any, **head: Any) -> Path:
    where.mkdir()
    (where / "store.json").write_text(json.dumps({"method": "temperature", "user_ids": user_ids, **head}))
    (where / "global.json").write_text('{"type": "identity"}')
    return where


@pytest.mark.parametrize(
    "user_id", ["../global", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "nul", "COM1", "a\x00b", "ab.", "x" * 200]
)
def test_a_user_id_is_never_a_path(user_id: str, tmp_path: Path) -> None:
    store_dir = write_store(tmp_path / "store", [user_id])
    with pytest.raises(CalibratorError, match="cannot be a user id"):
        load_calibrator_store(store_dir)
    with pytest.raises(CalibratorError, match="cannot be a user id"):
        save_calibrator_store(CalibratorStore(IdentityCalibrator(), {user_id: IdentityCalibrator()}), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_listed_file_that_is_missing_fails_at_once(tmp_path: Path) -> None:
    with pytest.raises(CalibratorError, match=r"store/users/ann\.json is missing"):
        load_calibrator_store(write_store(tmp_path / "store", ["ann"]))


@pytest.mark.parametrize(
    ("user_ids", "head", "reason"),
    [
        ("ann", {}, "user_ids"),
        ([1], {}, "user_ids"),
        ([], {"method": "magic"}, "method"),
        ([], {"created_at": 3}, "created_at"),
        (["ann", None], {}, "user_ids"),
        ({"ann": 1}, {}, "user_ids"),
        ([], {"method": None}, "method"),
        ([], {"method": ["isotonic"]}, "method"),
        ([], {"user_count": 2}, "counts 2 users and lists 0"),
        ([], {"model_bundle_id": ["x"]}, "model_bundle_id"),
        ([], {"model_schema_hash": 7}, "model_schema_hash"),
    ],
)
def test_a_damaged_store_is_named(user_ids: Any, head: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(CalibratorError, match=reason):
        load_calibrator_store(write_store(tmp_path / "store", user_ids, **head))


@pytest.mark.parametrize("name", ["store.json", "global.json", "users/ann.json"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[: len(text) // 2], "is not valid JSON"),
        (lambda text: b"", "is empty|is not valid JSON"),
        (lambda text: b"\xff\xfe" + text, "is not"),
        (lambda text: text.replace(b"{", b"[", 1), "is not"),
        (lambda text: b" " * 16_000_001, "larger|too large|bytes"),
        (lambda text: None, "is missing"),
    ],
)
def test_every_damaged_file_of_a_store_is_named(name: str, damage: Any, reason: str, tmp_path: Path) -> None:
    """A store is loaded whole or not at all: also when only one person's file is damaged."""
    store = CalibratorStore(TemperatureCalibrator(2.0), {"ann": TemperatureCalibrator(3.0)})
    where = save_calibrator_store(store, tmp_path / "store")
    content = damage((where / name).read_bytes())
    (where / name).unlink()
    if content is not None:
        (where / name).write_bytes(content)
    with pytest.raises(CalibratorError, match=reason) as caught:
        load_calibrator_store(where)
    assert f"store/{name}" in caught.value.title
    assert caught.value.next_step


@pytest.mark.parametrize("user_id", ["ann@example.org", "Ann+1", "0b5c6a2e-1111-4000-8000-000000000001", "a.b_c-d"])
def test_plain_user_ids_are_file_names(user_id: str, tmp_path: Path) -> None:
    store = CalibratorStore(IdentityCalibrator(), {user_id: TemperatureCalibrator(3.0)})
    assert load_calibrator_store(save_calibrator_store(store, tmp_path / "store")) == store
    assert (tmp_path / "store" / "users" / f"{user_id}.json").is_file()


def test_a_hostile_user_id_of_a_row_gets_the_global_calibrator() -> None:
    """Only stored ids are looked up, as texts; a row's id is never anything else."""
    store = CalibratorStore(TemperatureCalibrator(2.0), {"ann": IdentityCalibrator()})
    probs = np.random.default_rng(2).dirichlet([1.0] * 8, 4)
    answer = store.calibrate_batch(probs, ["../ann", "ann/../ann", "ann\0", "ANN"])
    assert answer.tobytes() == TemperatureCalibrator(2.0).calibrate(probs).tobytes()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_temperature_must_be_above_zero(temperature: float) -> None:
    with pytest.raises(CalibratorError, match="above 0"):
        TemperatureCalibrator(temperature)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="8"):
        TemperatureCalibrator(2.0).calibrate(np.ones((2, 7)))


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = calibration.nothing_such
