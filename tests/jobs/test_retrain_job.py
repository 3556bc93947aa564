"""The training as a whole: promoted or put aside, and nothing changed by whatever else may happen to it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from taskclf_tray.core.errors import ExportFormatError, LabelError, PolicyValidationError, StoreError
from taskclf_tray.core.time import to_us
from taskclf_tray.infer.resolve import policy_for_bundle, resolve_inference_config
from taskclf_tray.jobs import refit
from taskclf_tray.jobs.retrain import LOCK_FILE, RetrainingError, run
from taskclf_tray.labels.csv_files import write_label_csv
from taskclf_tray.labels.learning import (
    LabelState,
    Reinference,
    load_last_training,
    load_learnt,
    load_reinference,
    save_learnt,
)
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models import promotion
from taskclf_tray.models.head_files import HeadEntry, head_of_entry
from taskclf_tray.models.history import roll_back
from taskclf_tray.models.policy import load_inference_policy, policy_path, save_inference_policy
from taskclf_tray.models.promotion import OtherModelServedError
from taskclf_tray.models.registry import list_bundles
from taskclf_tray.models.retention import rejected_bundles, staging_dir
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.system.stop_signals import Unwinding
from taskclf_tray.train import retrain_run
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.retrain import Challenger, make_challenger
from taskclf_tray.train.train_request import RetrainRequest
from tests.support.worked_days import FIRST, LATER, block_start, make_home, record_days, spans_of, write_export
from tests.support.worker_home import USER

pytestmark = pytest.mark.usefixtures("undrawn_pictures")

ROOT = Path(__file__).parents[2]
NOW = FIRST + timedelta(days=6)
STARTER = ROOT / "taskclf_tray" / "data" / "starter" / "2026-01-01_000000_run-0001"
DAYS_UNLIKE = (
    ["Meet", "Write", "Build", "Review"], ["Review", "Meet", "Write", "Build"], ["Build", "Review", "Meet", "Write"],
)  # fmt: skip
"""What is learnt from labels like these is of little use on a day that it has not seen."""
Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three labelled days, and the starter model in use."""
    home = tmp_path_factory.mktemp("worked") / "home"
    paths = make_home(home)
    record_days(paths, range(3))
    shutil.copytree(STARTER, paths.models / STARTER.name)
    return home


@pytest.fixture
def paths(original: Path, tmp_path: Path) -> HomePaths:
    return HomePaths(Path(shutil.copytree(original, tmp_path / "home")))


@dataclasses.dataclass(frozen=True, slots=True)
class Promoted:
    """A home after its first training: what that said, and the labels before it."""

    home: Path
    facts: dict[str, Any]
    events: Events
    labels: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def promoted(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Promoted:
    """Trained once; whoever goes on from there takes a copy."""
    paths = HomePaths(Path(shutil.copytree(original, tmp_path_factory.mktemp("promoted") / "home")))
    with_database(paths, lambda database: save_learnt(database, USER, LabelState(7, 7)))
    labels, events = labels_of(paths), Events()
    return Promoted(paths.home, trained(paths, events.append), events, labels)


@pytest.fixture
def known_challenger(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is about the days after a training need not train once more: the same labels give the same challenger."""
    monkeypatch.setattr(retrain_run, "make_challenger", _made_once)


_CHALLENGERS: dict[str, Any] = {}


def _made_once(dataset: Dataset, *arguments: Any) -> Challenger:
    key = dataset.dataset_hash
    if key not in _CHALLENGERS:
        _CHALLENGERS[key] = make_challenger(dataset, *arguments)
    found: Challenger = _CHALLENGERS[key]
    return found


def request(paths: HomePaths) -> RetrainRequest:
    return RetrainRequest(str(paths.home), now_us=to_us(NOW))


def trained(paths: HomePaths, say: Callable[[dict[str, Any]], None] = lambda _event: None) -> dict[str, Any]:
    """In this process; signals are as they were before afterwards."""
    with Unwinding():
        return run(request(paths), say)


def labels_of(paths: HomePaths) -> list[tuple[Any, ...]]:
    """The tables of the person's words, as they are."""
    connection = sqlite3.connect(paths.database)
    try:
        return [
            row
            for table in ("label_spans", "label_changes", "label_requests")
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1")
        ]
    finally:
        connection.close()


def with_database(paths: HomePaths, use: Callable[[Database], Any]) -> Any:
    database = Database(paths.database)
    try:
        return use(database)
    finally:
        database.close()


def served(paths: HomePaths) -> str:
    return resolve_inference_config(paths.models).bundle_id


def relabel(paths: HomePaths, *labels: list[str]) -> None:
    """Other labels for every block, in turn; more than one list: each for a day."""

    def change(database: Database) -> None:
        store = LabelStore(database, USER)
        for k in range(3 * 15):
            start = block_start(k // 15, k % 15)
            of_day = labels[k // 15 % len(labels)]
            store.add(start, start + timedelta(minutes=10), of_day[k * 7 % 11 % len(of_day)], at=LATER)

    with_database(paths, change)


def test_a_promoted_head_learns_answers_with_the_powers_it_was_judged_with(promoted: Promoted, tmp_path: Path) -> None:
    """And the app is asked to fit it to all labels: it knows neither the judged days nor labels given since."""
    paths = HomePaths(Path(shutil.copytree(promoted.home, tmp_path / "home")))
    assert with_database(paths, lambda database: load_learnt(database, USER)) == LabelState()
    head = resolve_inference_config(paths.models).head
    assert head is not None
    relabel(paths, ["Write", "Meet"])
    asked = {"home": str(paths.home), "models_dir": str(paths.models), "now_us": to_us(NOW), "time_zone": "UTC"}
    answer = refit.run(asked, lambda _event: None)
    learnt = head_of_entry(paths.home, HeadEntry.model_validate(answer["head"])).head
    assert (learnt.head_power, learnt.forest_power) == (head.head_power, head.forest_power)
    assert not np.array_equal(learnt.bias, head.bias)


def test_a_better_model_is_promoted_with_all_that_belongs_to_it(promoted: Promoted) -> None:
    paths, facts = HomePaths(promoted.home), promoted.facts
    assert facts["outcome"] == "promoted"
    assert (facts["labelled_minutes"], facts["labelled_days"], facts["previous_model"]) == (450, 3, STARTER.name)
    assert facts["macro_f1"] > facts["previous_macro_f1"] + 0.2
    assert any("is now recognised: recall 0." in sentence for sentence in facts["sentences"])
    resolved = resolve_inference_config(paths.models)
    assert (resolved.bundle_id, resolved.origin) == (facts["model"], "policy")
    assert resolved.reject_threshold == facts["reject_threshold"] < 1
    assert resolved.calibrator_store is not None
    assert resolved.calibrator_store.model_bundle_id == facts["model"]
    assert resolved.policy is not None
    assert (resolved.policy.source, resolved.policy.model_extra["tuned_reject"]["blocks"] > 20) == ("retrain", True)
    assert resolved.metadata.data_provenance == "mixed"
    names = {path.name for path in Path(facts["folder"]).iterdir()}
    assert {"evaluation.json", "training.json", "reliability.png", "risk_coverage.png", "confusion.png"} <= names
    assert json.loads((Path(facts["folder"]) / "training.json").read_text())["verdict"]["is_accepted"]
    last = with_database(paths, lambda d: load_last_training(d, USER))
    assert (last.outcome, last.run, last.at) == ("promoted", facts["model"], NOW)
    assert with_database(paths, lambda d: load_reinference(d, USER)) == Reinference(facts["model"])
    assert labels_of(paths) == promoted.labels
    progress = [event for event in promoted.events if event["event"] == "progress"]
    assert progress[-1]["done"] == progress[-1]["total"]


def test_a_promotion_is_rolled_back(promoted: Promoted, tmp_path: Path) -> None:
    paths = HomePaths(Path(shutil.copytree(promoted.home, tmp_path / "home")))
    assert roll_back(paths.models).policy is None
    assert (served(paths), policy_path(paths.models).exists()) == (STARTER.name, False)


def test_the_same_labels_again_are_no_reason_for_another_model(promoted: Promoted, tmp_path: Path) -> None:
    paths, first = HomePaths(Path(shutil.copytree(promoted.home, tmp_path / "home"))), promoted.facts["model"]
    policy = policy_path(paths.models).read_bytes()
    facts = trained(paths)
    assert facts["outcome"] == "refused"
    assert facts["sentences"][0] == "It is the model in use once more. Label some more blocks first."
    assert (served(paths), policy_path(paths.models).read_bytes()) == (first, policy)


def test_a_worse_model_is_put_aside_with_the_reasons(paths: HomePaths) -> None:
    relabel(paths, *DAYS_UNLIKE)
    facts = trained(paths)
    assert facts["outcome"] == "refused"
    assert any(
        "the starter model in" in sentence and "not clearly better" in sentence for sentence in facts["sentences"]
    )
    assert any("Label " in sentence or "Labels on" in sentence for sentence in facts["sentences"])
    assert facts["macro_f1"] < 0.65
    assert served(paths) == STARTER.name
    assert not policy_path(paths.models).exists()
    (kept,) = rejected_bundles(paths.models)
    reasons = json.loads((kept / "reasons.json").read_text())
    assert (reasons["run"], reasons["sentences"], reasons["is_accepted"]) == (kept.name, facts["sentences"], False)
    assert [info.name for info in list_bundles(paths.models)] == [STARTER.name]
    assert not staging_dir(paths.models).exists()
    last = with_database(paths, lambda d: load_last_training(d, USER))
    assert (last.outcome, last.sentences) == ("refused", tuple(facts["sentences"]))
    assert with_database(paths, lambda d: load_reinference(d, USER)) is None


def test_too_few_labels_are_said_with_numbers(tmp_path: Path) -> None:
    paths = make_home(tmp_path / "home")
    record_days(paths, range(1), labelled=())

    def label_seven(database: Database) -> None:
        store = LabelStore(database, USER)
        for k in range(7):
            start = block_start(0, 2 * k)
            store.add(start, start + timedelta(minutes=10), "Build", at=LATER)

    with pytest.raises(LabelError, match=r"There are 0 labelled blocks; a model of your own needs at least 10\."):
        trained(paths)
    with_database(paths, label_seven)
    with pytest.raises(LabelError, match=r"There are 7 labelled blocks.* Label 3 more"):
        trained(paths)
    assert with_database(paths, lambda d: load_last_training(d, USER)) is None
    with pytest.raises(StoreError, match="There is no record"):
        trained(make_home(tmp_path / "empty"))


def test_what_is_named_beside_the_record_is_counted_however_old_it_is(tmp_path: Path) -> None:
    """Short of the training itself: too few labels are said before it begins."""
    paths = make_home(tmp_path / "home")
    record_days(paths, range(-2, 6), labelled=())
    export = write_export(tmp_path / "export.json", [-400])
    labels = tmp_path / "labels.csv"
    events: Events = []

    def told(*days: int, **more: Any) -> str:
        write_label_csv(labels, [spans_of([day])[0] for day in days])
        wanted = dataclasses.replace(request(paths), label_files=(str(labels),), **more)
        with pytest.raises(LabelError) as caught:
            run(wanted, events.append)
        return caught.value.title

    recent = range(-2, 6)  # eight days, so that nothing older is looked back for
    assert told(*recent).startswith("There are 8 labelled blocks")
    assert told(*recent, -400).startswith("There are 8 labelled blocks")  # of that day there is no minute yet
    assert told(*recent, -400, inputs=(str(export),)).startswith("There are 9 labelled blocks")
    assert [event["event"] for event in events] == ["step"] * 3
    labels.write_text("start_ts,end_ts,label\n2026-03-29T02:30,2026-03-29T03:30,Build\n")
    local = dataclasses.replace(
        request(paths), label_files=(str(labels),), times="local", time_zone="Europe/Berlin", now_us=to_us(LATER)
    )
    with pytest.raises(LabelError, match="did not come in Europe/Berlin"):
        run(local, events.append)
    with pytest.raises(ExportFormatError, match=r"absent\.json cannot be opened"):
        run(dataclasses.replace(request(paths), inputs=("absent.json",)), events.append)
    assert not list(paths.models.glob("2*"))


def test_two_at_once_are_one_too_many(paths: HomePaths) -> None:
    with FileLock(paths.tray / LOCK_FILE), pytest.raises(RetrainingError, match="is being trained already"):
        trained(paths)
    assert served(paths) == STARTER.name


def test_a_policy_that_is_broken_is_said_before_the_work(paths: HomePaths) -> None:
    policy_path(paths.models).write_text("{")
    events: Events = []
    with pytest.raises(PolicyValidationError, match="not valid JSON"):
        trained(paths, events.append)
    assert events == []
    assert policy_path(paths.models).read_text() == "{"


@pytest.mark.usefixtures("known_challenger")
def test_what_happens_meanwhile_is_kept(paths: HomePaths) -> None:
    """A label, a new block and a threshold edited by hand, all while it trains."""
    save_inference_policy(policy_for_bundle(paths.models, paths.models / STARTER.name, "manual"), paths.models)

    def meanwhile(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["text"].startswith("Training on"):
            add = lambda d: LabelStore(d, USER).add(FIRST, FIRST + timedelta(minutes=5), "Meet", at=LATER)  # noqa: E731
            with_database(paths, add)
            policy = load_inference_policy(paths.models)
            assert policy is not None
            save_inference_policy(policy.model_copy(update={"reject_threshold": 0.66}), paths.models)

    assert trained(paths, meanwhile)["outcome"] == "promoted"
    spans = with_database(paths, lambda d: list(LabelStore(d, USER).everything()))
    assert spans[0].label == "Meet"
    roll_back(paths.models)
    restored = load_inference_policy(paths.models)
    assert restored is not None
    assert restored.reject_threshold == 0.66


@pytest.mark.usefixtures("known_challenger")
def test_another_model_chosen_meanwhile_stops_it(paths: HomePaths) -> None:
    other = Path(shutil.copytree(STARTER, paths.models / "2026-02-01_000000_run-0002"))

    def meanwhile(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["text"].startswith("Judged"):
            save_inference_policy(policy_for_bundle(paths.models, other, "tray"), paths.models)

    save_inference_policy(policy_for_bundle(paths.models, paths.models / STARTER.name, "tray"), paths.models)
    with pytest.raises(OtherModelServedError, match="Another model was chosen"):
        trained(paths, meanwhile)
    assert served(paths) == other.name
    assert with_database(paths, lambda d: load_reinference(d, USER)) is None


@pytest.mark.usefixtures("known_challenger")
def test_a_full_disk_leaves_the_model_in_use(paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "model.txt")

    monkeypatch.setattr(promotion, "save_inference_policy", fail)
    with pytest.raises(StoreError, match=r"model\.txt cannot be read or written \(No space left on device\)"):
        trained(paths)
    assert (served(paths), [info.name for info in list_bundles(paths.models)]) == (STARTER.name, [STARTER.name])
    assert with_database(paths, lambda d: load_reinference(d, USER)) is None
    assert not staging_dir(paths.models).exists()


@pytest.mark.usefixtures("known_challenger")
@pytest.mark.parametrize("moment", ["progress", "Judged on"])
def test_killed_half_way_it_has_changed_nothing_and_can_be_done_again(paths: HomePaths, moment: str) -> None:
    before = labels_of(paths)
    command = [sys.executable, "-m", "taskclf_tray.jobs.retrain", json.dumps(dataclasses.asdict(request(paths)))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert any(moment in line for line in child.stdout)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert (served(paths), labels_of(paths)) == (STARTER.name, before)
    assert [info.name for info in list_bundles(paths.models)] == [STARTER.name]
    if moment == "Judged on":
        assert trained(paths)["outcome"] == "promoted"
        assert not staging_dir(paths.models).exists()


def test_where_nothing_is_served_the_starter_must_be_beaten(paths: HomePaths) -> None:
    shutil.rmtree(paths.models / STARTER.name)
    relabel(paths, *DAYS_UNLIKE)
    facts = trained(paths)
    assert (facts["outcome"], facts["previous_model"]) == ("refused", None)
    assert "the starter model in" in facts["sentences"][0]
    assert facts["previous_accuracy"] is not None
