"""`infer batch`: an export, a table and the record give what the library gives; mistakes are one sentence."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from taskclf_tray.adapters.activitywatch import parse_aw_export
from taskclf_tray.cli.main import main
from taskclf_tray.core.errors import SourceError, TaskclfError
from taskclf_tray.core.time import parse_time, to_us
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.batch import BatchInferenceResult, read_segments_json, run_batch
from taskclf_tray.infer.forest import Forest
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.resolve import resolve_inference_config
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from taskclf_tray.jobs.batch import BatchRequest, quick_model, run
from taskclf_tray.labels.categories import KeptCategories
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.batch_inputs import parquet_frame
from taskclf_tray.ui import app
from taskclf_tray.ui.app import Options
from tests.support.sample_rows import DATA, golden_frame
from tests.support.worker_home import MORNING, SECRET, USER, copy_home, recorder_of, simulated_source

pytestmark = pytest.mark.usefixtures("forked_jobs")

EXPORT = DATA / "real_watchers" / "aw-buckets-export_default-settings_290s.json"
ROWS = DATA / "golden_predictions" / "rows_v3.parquet"
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> HomePaths:
    """A home with the record of two simulated hours."""
    home = HomePaths(copy_home(tmp_path_factory.mktemp("infer") / "home"))
    home.config.write_text('smoother = "majority"\n')  # as the functions that it is compared with
    database = Database(home.database)
    clock = ManualClock(MORNING + timedelta(hours=2))
    recorder = recorder_of(database, simulated_source(clock), config_of(home))
    while not recorder.step(clock.now(), settle_all=True).is_caught_up:
        pass
    database.close()
    return home


def config_of(paths: HomePaths) -> PipelineConfig:
    """What the home serves."""
    resolved = resolve_inference_config(paths.models)
    return PipelineConfig.from_resolved(resolved, taxonomy=load_taxonomy(paths.taxonomy))


def batch(paths: HomePaths, tmp_path: Path, *words: str | Path) -> dict[str, Any]:
    """The outcome of `infer batch --json` that must succeed."""
    command = ["infer", "batch", "--home", paths.home, "--out-dir", tmp_path, "--json", *words]
    with pytest.MonkeyPatch.context() as patch, (tmp_path / "stdout").open("w+") as out:
        patch.setattr(sys, "stdout", out)
        assert main([str(word) for word in command]) == 0
        out.seek(0)
        return dict(json.load(out))


def assert_written(tmp_path: Path, expected: BatchInferenceResult, kept: list[int]) -> None:
    with (tmp_path / "predictions.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [to_us(parse_time(line["bucket_start_ts"])) for line in lines] == expected.starts_us[kept].tolist()
    assert [line["predicted_label"] for line in lines] == [expected.smoothed_labels[i] for i in kept]
    assert expected.mapped_labels is not None
    assert [line["mapped_label"] for line in lines] == [expected.mapped_labels[i] for i in kept]
    assert [line["is_rejected"] for line in lines] == [str(expected.is_rejected[i]) for i in kept]
    assert [line["confidence"] for line in lines] == [f"{expected.confidences[i]:.4f}" for i in kept]


def test_an_export(paths: HomePaths, tmp_path: Path) -> None:
    events = parse_aw_export(EXPORT, title_salt=SECRET)
    rows = build_features_from_aw_events(
        events.window,
        user_id=USER,
        input_events=events.input,
        away_events=events.away,
        tab_events=events.tab,
    )
    expected = run_batch(config_of(paths), rows)
    outcome = batch(paths, tmp_path, "--input", EXPORT)
    assert outcome["rows"] == len(rows) == 6
    assert_written(tmp_path, expected, list(range(6)))
    assert read_segments_json(Path(outcome["segments_json"])) == expected.segments
    second = rows[1].bucket_start_ts
    batch(paths, tmp_path, "--input", EXPORT, "--from", second.isoformat(), "--to", (second + 3 * MINUTE).isoformat())
    assert_written(tmp_path, expected, [1, 2, 3])


def test_which_computer_of_an_export(paths: HomePaths, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    two = DATA / "field" / "02-windows-of-one-away-of-another.json"
    outcome = batch(paths, tmp_path, "--input", two)
    assert (outcome["rows"], outcome["export"]["computers"]) == (130, [["LAPTOP"], ["DESK"]])
    assert "2 computers were read, LAPTOP and DESK" in (said := capfd.readouterr().err)
    assert "--host NAME" in said
    outcome = batch(paths, tmp_path, "--input", two, "--host", "laptop")
    assert (outcome["rows"], outcome["export"]["computers"]) == (120, [["LAPTOP"]])
    for words in (["infer", "batch", "--host", "x"], ["train", "evaluate", "--host", "x"]):
        assert main([*words, "--home", str(paths.home)]) == 1
        assert "no export is read" in capfd.readouterr().err


def test_an_export_gives_nothing_of_private_time(paths: HomePaths, tmp_path: Path) -> None:
    home = HomePaths(copy_home(tmp_path / "home"))
    begin = parse_aw_export(EXPORT, title_salt=SECRET).window[0].timestamp
    database = Database(home.database)
    with database.transaction():
        database.blackouts.open("private", to_us(begin + 2 * MINUTE))
        database.blackouts.close("private", to_us(begin + 2.5 * MINUTE))
    database.close()
    (tmp_path / "out").mkdir()
    assert batch(home, tmp_path / "out", "--input", EXPORT)["rows"] in (4, 5)
    database = Database(home.database)
    with database.transaction():
        database.blackouts.open("pause", 0)
    database.close()
    with pytest.raises(SourceError, match="nothing in this range"):
        run(BatchRequest(str(home.home), str(EXPORT)), lambda _event: None)


def test_rows_in_parquet(paths: HomePaths, tmp_path: Path) -> None:
    expected = run_batch(config_of(paths), golden_frame())
    assert batch(paths, tmp_path, "--input", ROWS)["rows"] == 400
    assert_written(tmp_path, expected, list(range(400)))
    first = int(np.median(expected.starts_us))
    kept = np.flatnonzero(expected.starts_us >= first).tolist()
    start = pd.Timestamp(first, unit="us", tz="UTC").isoformat()
    outcome = batch(paths, tmp_path, "--input", ROWS, "--from", start)
    assert outcome["rows"] == len(kept) < 400
    assert outcome["rejected"] == int(expected.is_rejected[kept].sum())
    assert_written(tmp_path, expected, kept)


def test_the_record_by_date(paths: HomePaths, tmp_path: Path) -> None:
    database = Database(paths.database, read_only=True)
    records = database.buckets.between(USER, 0, 1 << 62)
    rows = [record.row() for record in records]
    expected = run_batch(config_of(paths), rows)
    assert expected.ui_labels == [record.ui_label for record in records]
    batch(paths, tmp_path)
    assert_written(tmp_path, expected, list(range(len(rows))))
    assert len(rows) > 60
    ends = (rows[20].bucket_start_ts, rows[50].bucket_start_ts)
    batch(paths, tmp_path, "--from", ends[0].isoformat(), "--to", ends[1].isoformat())
    assert_written(tmp_path, expected, list(range(20, 50)))
    day = MORNING.astimezone().date().isoformat()
    kept = [i for i, row in enumerate(rows) if row.bucket_start_ts.astimezone().date().isoformat() == day]
    batch(paths, tmp_path, "--from", day, "--to", day)
    assert_written(tmp_path, expected, kept)
    assert database.buckets.between(USER, 0, 1 << 62) == records
    database.close()


def test_another_model_and_taxonomy(paths: HomePaths, tmp_path: Path) -> None:
    bundle = next(paths.models.glob("2*"))
    mine = tmp_path / "mine.yaml"
    mine.write_text(paths.taxonomy.read_text().replace("Deep Work", "Flow"))
    outcome = batch(paths, tmp_path, "--input", ROWS, "--model-dir", bundle, "--taxonomy", mine)
    assert outcome["model"].startswith(bundle.name)
    assert ",Flow," in (tmp_path / "predictions.csv").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--input", "absent.json"], "absent.json cannot be opened"),
        (["--input", "absent.parquet"], "There is no file absent.parquet"),
        (["--input", str(DATA / "app_registry.csv")], "is not JSON"),
        (["--input", str(ROWS), "--model-dir", "nowhere"], "There is no model at nowhere."),
        (["--input", str(ROWS), "--taxonomy", "absent.yaml"], "absent.yaml"),
        (["--from", "2001-01-01", "--to", "2001-01-02"], "nothing in this range"),
        (["--input", str(ROWS), "--out-dir", str(DATA / "app_registry.csv" / "x")], "Nothing can be written"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_next_step(
    paths: HomePaths, words: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["infer", "batch", "--home", str(paths.home), *words]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert sentence in err
    assert err.count("\n") <= 2
    assert "Traceback" not in err


def test_tables_that_cannot_be_used(paths: HomePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(match: str, name: str = "rows.parquet") -> None:
        with pytest.raises(TaskclfError, match=match):
            run(BatchRequest(str(paths.home), str(tmp_path / name)), lambda _event: None)

    golden_frame().drop(columns="keys_per_min").to_parquet(tmp_path / "rows.parquet")
    refused("no column keys_per_min")
    golden_frame().assign(keys_per_min="many").to_parquet(tmp_path / "rows.parquet")
    refused("keys_per_min holds values that are not numbers")
    (tmp_path / "torn.parquet").write_bytes(ROWS.read_bytes()[:9_000])
    refused(r"torn\.parquet is no Parquet file", "torn.parquet")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(TaskclfError) as caught:
        parquet_frame(ROWS, "v3")
    assert "pip install 'taskclf-tray[parquet]'" in str(caught.value)


def test_a_broken_taxonomy_of_the_home_is_told_and_passed_over(tmp_path: Path) -> None:
    home = HomePaths(copy_home(tmp_path / "home"))
    home.taxonomy.write_text("buckets: 3\n")
    told: list[dict[str, Any]] = []
    run(BatchRequest(str(home.home), str(ROWS), out_dir=str(tmp_path)), told.append)
    assert [event["event"] for event in told] == ["warning", "progress"]
    assert "buckets" in told[0]["text"]
    assert ",Deep Work," not in (tmp_path / "predictions.csv").read_text()


def test_the_last_valid_categories_of_the_home_stand_in_for_a_broken_file(tmp_path: Path) -> None:
    home = HomePaths(copy_home(tmp_path / "home"))
    database = Database(home.database)
    KeptCategories(database).save(load_taxonomy(home.taxonomy))
    database.close()
    home.taxonomy.write_text("buckets: 3\n")
    told: list[dict[str, Any]] = []
    run(BatchRequest(str(home.home), str(ROWS), out_dir=str(tmp_path)), told.append)
    assert "The last valid categories are used." in told[0]["text"]
    assert ",Deep Work," in (tmp_path / "predictions.csv").read_text()


def test_the_library_sees_only_a_model_with_its_hash(paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = resolve_inference_config(paths.models)
    model_file = resolved.bundle_dir / "model.txt"
    verified = dataclasses.replace(resolved, model=Forest.load(model_file, sha256=resolved.model.sha256))
    assert isinstance(quick_model(verified), lightgbm.Booster)
    unverified = dataclasses.replace(resolved, model=Forest.load(model_file))
    assert quick_model(unverified) is unverified.model
    text = model_file.read_bytes()
    try:
        model_file.write_bytes(text[:5000])  # damaged after it was checked
        assert quick_model(verified) is verified.model
    finally:
        model_file.write_bytes(text)
    monkeypatch.setitem(sys.modules, "taskclf_tray.train.lean_lightgbm", None)  # as where LightGBM is not installed
    assert quick_model(verified) is verified.model


def test_export_and_record_need_no_heavy_library(paths: HomePaths, tmp_path: Path) -> None:
    program = """
import json, sys
from taskclf_tray.jobs.batch import BatchRequest, run
for chosen in json.loads(sys.argv[1]):
    run(BatchRequest(**chosen), lambda event: None)
print(sorted({"pandas", "pyarrow", "lightgbm"} & set(sys.modules)))
"""
    requests = [{"home": str(paths.home), "out_dir": str(tmp_path), "input": i} for i in (None, str(EXPORT))]
    command = [sys.executable, "-c", program, json.dumps(requests)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("words", [["batch", "--from", "yesterday"], ["batch", "--to", "9999-12-31"], []])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["infer", *words])
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_online_is_run_without_a_tray(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Options] = []
    monkeypatch.setattr(app, "run", lambda options: started.append(options) or 0)
    assert main(["infer", "online", "--source", "simulated"]) == 0
    assert main(["run", "--headless", "--source", "simulated"]) == 0
    assert started[0] == started[1]
    assert started[0].is_headless
