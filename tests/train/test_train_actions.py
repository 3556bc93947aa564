"""Models, calibrators and thresholds from the person's labels, each on days the step before has not seen."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import CalibratorError, LabelError, ModelError, PolicyValidationError, TaskclfError
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.infer.calibration import CalibratorStore, TemperatureCalibrator
from taskclf_tray.infer.calibrator_files import load_calibrator_store, save_calibrator_store
from taskclf_tray.infer.resolve import resolve_inference_config
from taskclf_tray.jobs.train import run
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.bundle import MODEL_FILE, load_model_bundle, read_metadata, starter_bundle
from taskclf_tray.models.policy import build_inference_policy, read_inference_policy, save_inference_policy
from taskclf_tray.models.registry import set_active
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.train_request import TrainRequest
from tests.support.homes import edit
from tests.support.sample_rows import BUNDLE
from tests.support.worked_days import LATER, block_start, make_home, record_days, write_export, write_labels
from tests.support.worker_home import USER

pytestmark = pytest.mark.usefixtures("undrawn_pictures")

DAYS = range(14)
FIRST_LATER, LAST = "2026-03-12", "2026-03-15"
"""Of the two weeks the first ten days are learnt from."""
OTHER = "22222222-0000-4000-8000-000000000002"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of two weeks, and a model of their first ten days that is served."""
    home = tmp_path_factory.mktemp("trained") / "home"
    record_days(make_home(home), DAYS)
    (home / "config.toml").write_text("target_accuracy = 0.8\n")
    run(TrainRequest("lgbm", str(home), rounds=15, prior="none"), lambda _event: None)
    return home


class Trained:
    """A copy of the trained home."""

    def __init__(self, original: Path, home: Path) -> None:
        shutil.copytree(original, home)
        self.home, self.paths, self.models = home, HomePaths(home), home / "models"
        (self.bundle,) = self.models.iterdir()
        self.warnings: list[str] = []

    def __call__(self, action: str, **changes: Any) -> dict[str, Any]:
        """The outcome of an action; what it warned of is in `warnings`."""
        self.warnings = []
        return run(TrainRequest(action, str(self.home), rounds=5, **changes), self._hear)

    def _hear(self, event: dict[str, Any]) -> None:
        if event["event"] == "warning":
            self.warnings.append(event["text"])

    def make_surer(self) -> str:
        """A store for the model that makes it very sure of itself; where it is, from the home."""
        store = CalibratorStore(TemperatureCalibrator(0.1), model_bundle_id=self.bundle.name)
        folder = save_calibrator_store(store, self.paths.artifacts / "calibrators" / "sure")
        return folder.relative_to(self.home).as_posix()

    def serve_policy(self, **changes: Any) -> bytes:
        """Write a policy for the model."""
        metadata = read_metadata(self.bundle)
        values: dict[str, Any] = {
            "model_dir": f"models/{self.bundle.name}",
            "model_schema_hash": metadata.schema_hash,
            "model_label_set": metadata.label_set,
        }
        save_inference_policy(build_inference_policy(**{**values, **changes}), self.models)
        return self.paths.policy.read_bytes()


@pytest.fixture
def do(original: Path, tmp_path: Path) -> Trained:
    return Trained(original, tmp_path / "home")


def moment(day: int, block: int = 0) -> int:
    return to_us(block_start(day, block))


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- lgbm -----------------------------------------------------------------------------------------------------


def test_the_bundle_is_of_the_earlier_days_and_judged_on_the_later(do: Trained) -> None:
    model, metadata, _ = load_model_bundle(do.bundle)
    assert model.verified
    assert (metadata.train_date_from, metadata.train_date_to) == ("2026-03-02", "2026-03-11")
    assert (metadata.data_provenance, metadata.schema_version, metadata.params["seed"]) == ("real", "v3", 7)
    told = json.loads((do.bundle / "metrics.json").read_text())
    assert (told["judged_on"], told["judged_from"], told["judged_to"]) == ("later days", FIRST_LATER, LAST)
    assert 0.7 < told["macro_f1"] < 1.0


def test_a_new_model_is_not_served_and_is_the_same_bytes(do: Trained) -> None:
    """The second model is a better one by its figures, and there is no policy: still the first is served."""
    edit(do.bundle / "metrics.json", macro_f1=0.01, weighted_f1=0.01)
    before = resolve_inference_config(do.models).config_digest
    request = TrainRequest("lgbm", str(do.home), rounds=15, prior="none")
    answer = run(request, lambda _event: None)
    assert answer["model"] != do.bundle.name == answer["served"]
    after = resolve_inference_config(do.models)
    assert (after.bundle_id, after.config_digest) == (do.bundle.name, before)
    assert read_inference_policy(do.models).source == "pinned"
    assert (Path(answer["folder"]) / MODEL_FILE).read_bytes() == (do.bundle / MODEL_FILE).read_bytes()
    assert answer["dataset_hash"] == read_metadata(do.bundle).dataset_hash
    assert (answer["trained"]["days"], answer["judged"]["minutes"]) == (10, 4 * 150)


def test_where_something_names_what_is_served_nothing_is_written(do: Trained) -> None:
    set_active(do.models, do.bundle)
    do("lgbm", schema_version="v1")
    assert not do.paths.policy.exists()
    before = do.serve_policy(reject_threshold=0.41)
    do("lgbm", schema_version="v2", seed=3)
    assert do.paths.policy.read_bytes() == before
    assert {read_metadata(folder).schema_version for folder in do.models.glob("2*")} == {"v1", "v2", "v3"}


def test_a_broken_policy_is_not_written_over(do: Trained) -> None:
    do.paths.policy.write_text("{")
    with pytest.raises(PolicyValidationError, match="not in force"):
        do("lgbm")
    assert do.paths.policy.read_text() == "{"
    assert list(do.models.glob("2*")) == [do.bundle]


def test_months_of_history_and_another_place(do: Trained, tmp_path: Path) -> None:
    export = write_export(tmp_path / "export.json", range(-4, 0))
    labels = write_labels(tmp_path / "labels.csv", range(-4, 0))
    answer = do(
        "lgbm", inputs=(str(export),), label_files=(str(labels),), end_us=moment(10), out_dir=str(tmp_path / "models")
    )
    assert answer["prior"].startswith("2026-01-01")
    assert answer["data_provenance"] == "mixed"
    assert (answer["trained"]["date_from"], answer["judged"]["judged_to"]) == ("2026-02-26", "2026-03-11")
    assert Path(answer["folder"]).parent == tmp_path / "models"
    assert not do.paths.policy.exists()


def test_few_days_and_a_prior_of_ones_own(do: Trained) -> None:
    answer = do("lgbm", start_us=moment(11), prior=do.bundle.name)
    assert (answer["judged"]["judged_on"], answer["judged"]["minutes"]) == ("each day left out", 450)
    assert answer["prior"] == do.bundle.name


# -- calibrate ------------------------------------------------------------------------------------------------


def test_calibrators_come_from_later_days_and_leave_some_for_the_threshold(do: Trained) -> None:
    answer = do("calibrate")
    assert (answer["date_from"], answer["date_to"], answer["minutes"]) == (FIRST_LATER, "2026-03-13", 300)
    folder = Path(answer["store"])
    assert folder.is_relative_to(do.paths.artifacts)
    store = load_calibrator_store(folder)
    metadata = read_metadata(do.bundle)
    assert (store.model_bundle_id, store.model_schema_hash) == (do.bundle.name, metadata.schema_hash)
    assert answer["is_served"]
    assert resolve_inference_config(do.models).calibrator_store_dir == folder
    notes = json.loads((folder / "calibration.json").read_text())
    assert notes["global"]["method"] == answer["method"]
    assert set(notes["global"]["nll"]) >= {"identity", "temperature"}


def test_what_a_policy_names_does_not_change(do: Trained, tmp_path: Path) -> None:
    first = Path(do("calibrate")["store"])
    do.serve_policy(calibrator_store_dir=first.relative_to(do.home).as_posix(), calibration_method="temperature")
    before = files_of(first)
    out_dir = tmp_path / "store"
    answer = do("calibrate", start_us=moment(10), out_dir=str(out_dir))
    assert not answer["is_served"]
    assert answer["days"] == 4  # all that were named
    assert files_of(first) == before
    assert resolve_inference_config(do.models).calibrator_store_dir == first
    with pytest.raises(CalibratorError, match="something in"):
        do("calibrate", out_dir=str(out_dir))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_days_of_training_are_no_days_for_calibrating(do: Trained) -> None:
    assert do("calibrate", start_us=moment(0))["date_from"] == FIRST_LATER
    assert do.warnings == ["1500 minutes up to 2026-03-11, the last day the model was trained on, are left out."]
    with pytest.raises(LabelError, match="no labelled minute after 2026-03-11, the last day the model was trained on"):
        do("calibrate", end_us=moment(10))


def test_a_model_of_simulated_people_has_seen_no_day(do: Trained) -> None:
    edit(do.bundle / "metadata.json", data_provenance="synthetic")
    assert do("calibrate")["date_from"] == "2026-03-02"


# -- tune-reject ----------------------------------------------------------------------------------------------


def test_a_threshold_with_its_guarantee_on_days_nobody_has_used(do: Trained) -> None:
    do("calibrate")
    answer = do("tune-reject")
    assert (answer["date_from"], answer["date_to"], answer["minutes"]) == ("2026-03-14", LAST, 300)
    assert answer["calibrators"] is not None
    assert (answer["target_accuracy"], answer["written"]) == (0.8, None)
    assert not do.paths.policy.exists()


def test_the_threshold_is_written_and_nothing_else(do: Trained) -> None:
    do.serve_policy(reject_threshold=0.9, calibrator_store_dir=do.make_surer())
    edit(do.paths.policy, per_user_reject_thresholds={USER: 0.7, OTHER: 0.3}, note="mine")
    answer = do("tune-reject", is_to_be_written=True, target_accuracy=0.6)
    assert answer["threshold"] is not None
    assert answer["threshold_before"] == 0.9
    assert min(answer["lower_bound"], answer["accuracy"]) >= 0.6
    policy = read_inference_policy(do.models)
    assert (policy.reject_threshold, policy.source) == (answer["threshold"], "tune-reject")
    assert dict(policy.per_user_reject_thresholds or {}) == {OTHER: 0.3}
    assert policy.model_extra["note"] == "mine"
    assert policy.model_extra["tuned_reject"]["blocks"] == answer["blocks"]
    served = resolve_inference_config(do.models)
    assert (served.origin, served.reject_threshold) == ("policy", answer["threshold"])


def test_without_a_policy_one_is_written_for_what_is_served(do: Trained) -> None:
    store = do.make_surer()
    answer = do("tune-reject", is_to_be_written=True, target_accuracy=0.6)
    assert answer["written"] == str(do.paths.policy)
    served = resolve_inference_config(do.models)
    assert (served.bundle_id, served.calibrator_store_dir) == (do.bundle.name, do.home / store)


def test_when_nothing_is_proven_the_policy_stays(do: Trained) -> None:
    before = do.serve_policy(reject_threshold=0.9)
    answer = do("tune-reject", target_accuracy=0.99, is_to_be_written=True)
    assert (answer["threshold"], answer["written"]) == (None, None)
    assert answer["reason"]
    assert do.paths.policy.read_bytes() == before


def test_the_threshold_of_what_is_not_served_is_not_written(do: Trained) -> None:
    other = Path(shutil.copytree(do.bundle, do.models / "2026-01-01_000000_run-0002"))
    before = do.serve_policy(model_dir=f"models/{other.name}")
    do.make_surer()
    wanted = {"is_to_be_written": True, "target_accuracy": 0.6, "model_dir": do.bundle.name}
    with pytest.raises(PolicyValidationError, match="is not what is served"):
        do("tune-reject", **wanted)
    assert do.paths.policy.read_bytes() == before
    shutil.rmtree(other)
    do.paths.policy.write_text("[]")
    with pytest.raises(PolicyValidationError, match="not in force"):
        do("tune-reject", **wanted)
    assert do.paths.policy.read_text() == "[]"


def test_the_personal_calibrator_is_what_is_tuned(do: Trained) -> None:
    """A store whose calibrator for this person makes everything all but certain: every minute reaches the target."""
    store = Path(do("calibrate", end_us=moment(11))["store"])
    assert do("tune-reject")["coverage"] < 0.5
    (store / "users").mkdir()
    (store / "users" / f"{USER}.json").write_text(json.dumps(TemperatureCalibrator(0.02).to_dict()))
    edit(store / "store.json", user_ids=[USER], user_count=1)
    assert do("tune-reject")["coverage"] > 0.9


# -- evaluate -------------------------------------------------------------------------------------------------


def test_what_is_served_is_judged_and_written_down(do: Trained) -> None:
    answer = do("evaluate")
    folder = do.paths.artifacts / "evaluation" / do.bundle.name
    assert sorted(files_of(folder)) == ["confusion.png", "evaluation.json", "reliability.png", "risk_coverage.png"]
    told = json.loads((folder / "evaluation.json").read_text())
    assert {key: answer[key] for key in told} == told
    assert (told["date_from"], told["date_to"], told["minutes"]) == (FIRST_LATER, LAST, 600)
    assert told["seen_users"]["minutes"] == 600
    assert told["unseen_users"] is None
    recorded = json.loads((do.bundle / "metrics.json").read_text())
    assert told["macro_f1"] == pytest.approx(recorded["macro_f1"])
    assert told["confusion_matrix"] == recorded["confusion_matrix"]


def test_another_model_and_days_that_chose_calibrators(do: Trained) -> None:
    golden = shutil.copytree(BUNDLE, do.models / BUNDLE.name)
    edit(golden / "metadata.json", data_provenance="synthetic")
    do("calibrate", model_dir=BUNDLE.name, end_us=moment(2))
    answer = do("evaluate", model_dir=BUNDLE.name)
    assert (answer["model"], answer["minutes"]) == (BUNDLE.name, 14 * 150)
    assert answer["unseen_users"]["minutes"] == 14 * 150
    (said,) = do.warnings
    assert "Calibrators were chosen on days up to 2026-03-03" in said


# -- what cannot be -------------------------------------------------------------------------------------------


def test_a_home_without_labels(do: Trained) -> None:
    shutil.rmtree(do.home / "tray")
    with pytest.raises(TaskclfError, match="There is no record in"):
        do("lgbm")
    record_days(do.paths, range(1), labelled=[])
    with pytest.raises(LabelError, match=r"No recorded minute has a label yet\."):
        do("lgbm")


def test_the_only_model_is_served(do: Trained) -> None:
    shutil.rmtree(do.models)
    answer = do("lgbm", prior="none")
    assert answer["served"] == answer["model"]
    assert "the starter model in" in answer["against_starter"]
    assert not do.paths.policy.exists()


def test_an_empty_home_keeps_the_starter_where_a_new_model_is_not_better(do: Trained) -> None:
    """Labels that have nothing to do with the minutes: what is learnt from them is no better than the starter."""
    shutil.rmtree(do.models)
    database = Database(do.paths.database)
    spans = list(LabelStore(database, USER).everything())
    labels = random.Random(5).choices(LABEL_SET_V1, k=len(spans))
    mixed = [LabelSpan(from_us(s.start_us), from_us(s.end_us), label) for s, label in zip(spans, labels, strict=True)]
    LabelStore(database, USER).import_spans(mixed, at=LATER)
    database.close()
    answer = do("lgbm", prior="none")
    assert answer["served"] == starter_bundle().name != answer["model"]
    assert "of the starter model" in answer["against_starter"]
    assert "The starter model stays." in answer["against_starter"]
    assert read_inference_policy(do.models).source == "pinned"
    assert resolve_inference_config(do.models).bundle_id == starter_bundle().name
    assert (do.models / answer["model"]).is_dir()


def test_words_that_cannot_be_meant(do: Trained) -> None:
    before = files_of(do.models)
    with pytest.raises(LabelError, match=r"There are labels on 1 day; on at least 2 they are needed\."):
        do("lgbm", end_us=moment(1))
    with pytest.raises(ModelError, match="cannot be continued in v1"):
        do("lgbm", prior="starter", schema_version="v1")
    with pytest.raises(ModelError, match="There is no model nothing"):
        do("lgbm", prior="nothing")
    with pytest.raises(LabelError, match=r"absent\.csv cannot be opened"):
        do("tune-reject", label_files=("absent.csv",))
    assert files_of(do.models) == before


def test_a_folder_that_cannot_be_written(do: Trained) -> None:
    with pytest.raises(TaskclfError, match="/proc/nowhere"):
        do("evaluate", out_dir="/proc/nowhere")


def test_a_library_that_is_missing_is_named(do: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fit", "train_model", "lean_lightgbm"):
        monkeypatch.delitem(sys.modules, f"taskclf_tray.train.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(TaskclfError, match="Training needs lightgbm, which is not installed") as caught:
        do("lgbm")
    assert "pip install 'taskclf-tray[train]'" in caught.value.next_step
