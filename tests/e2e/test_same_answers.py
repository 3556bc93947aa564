"""One home of the taskclf tool, one morning of events: worker, command line and library give the same lines."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.activitywatch import parse_aw_export
from taskclf_tray.app.worker import _LabelSuggester
from taskclf_tray.core.time import local_day_bounds
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.batch import run_batch_inference, write_predictions_csv
from taskclf_tray.infer.resolve import resolve_inference_config
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from tests.support.app_process import noon_zone, run_app
from tests.support.aw_feed import feed_aw_server
from tests.support.aw_server import run_aw_server
from tests.support.server_days import ShiftedPerson
from tests.support.worker_home import SECRET, USER, copy_home

Lines = dict[str, dict[str, str]]


def lines_of(path: Path) -> Lines:
    with path.open(newline="") as file:
        return {line["bucket_start_ts"]: line for line in csv.DictReader(file)}


def library_answers(home: Path, export: Path, zone: str, out: Path) -> Lines:
    """As a program would do it (docs/library.md)."""
    served = resolve_inference_config(home / "models")
    events = parse_aw_export(export, title_salt=SECRET)
    rows = build_features_from_aw_events(
        events.window,
        user_id=USER,
        input_events=events.input,
        away_events=events.away,
        tab_events=events.tab,
        time_zone=zone,
    )
    result = run_batch_inference(
        served.model,
        rows,
        cat_encoders=served.cat_encoders,
        reject_threshold=served.reject_threshold,
        calibrator_store=served.calibrator_store,
        taxonomy=load_taxonomy(home / "configs" / "user_taxonomy.yaml"),
    )
    written = write_predictions_csv(
        rows,
        result.smoothed_labels,
        out,
        confidences=result.confidences,
        is_rejected=result.is_rejected,
        mapped_labels=result.mapped_labels,
        core_probs=result.core_probs,
    )
    return lines_of(written)


@pytest.mark.server
def test_worker_command_line_and_library_agree(tmp_path: Path) -> None:
    zone = noon_zone()
    home = copy_home(tmp_path / "home")
    (home / "config.toml").write_text('smoother = "majority"\n')  # as library functions do
    midnight, _ = local_day_bounds(datetime.now(UTC), zone)
    morning = midnight + timedelta(hours=11, minutes=30)
    export = tmp_path / "export.json"
    with run_aw_server(tmp_path / "aw") as server:
        feed_aw_server(server.url, ShiftedPerson("developer", 3, midnight), midnight, morning)
        assert run_app("run", "--once", "--aw-host", server.url, "--home", home)[0] == 0
        export.write_text(json.dumps(server.call("GET", "export")[1]))
    worker = lines_of(home / "tray" / "out" / "predictions.csv")
    code, _, errors = run_app("infer", "batch", "--input", export, "--home", home, "--out-dir", tmp_path / "batch")
    assert code == 0, errors
    assert len(worker) > 100
    assert lines_of(tmp_path / "batch" / "predictions.csv") == worker
    code, _, errors = run_app("infer", "batch", "--home", home, "--out-dir", tmp_path / "again")
    assert code == 0, errors
    assert lines_of(tmp_path / "again" / "predictions.csv") == worker
    assert library_answers(home, export, zone, tmp_path / "library.csv") == worker
    for start, line in list(worker.items())[::10]:
        begin = datetime.fromisoformat(start)
        suggested = _LabelSuggester.from_policy(home / "models").suggest(begin, begin + timedelta(minutes=1))
        assert suggested is not None
        assert suggested[0] == line["mapped_label"]
