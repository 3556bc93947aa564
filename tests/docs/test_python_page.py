"""“Use it from Python” in docs/library.md, word for word, against a real aw-server and a taskclf home."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.infer.batch import read_segments_json
from tests.support.aw_server import AWServer, run_aw_server
from tests.support.server_days import Desk
from tests.support.worker_home import copy_home

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def blocks() -> list[str]:
    """The Python blocks of the section."""
    section = PAGE.read_text().split("## Use it from Python", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local zone in which it is about noon, so that the last hour belongs to today whenever the tests run."""
    hours = datetime.now(UTC).hour - 12
    monkeypatch.setenv("TZ", f"Etc/GMT{hours:+d}" if hours else "Etc/UTC")
    yield
    monkeypatch.undo()


def an_hour_of_work(server: AWServer) -> None:
    desk = Desk(server)
    begin = datetime.now(UTC) - timedelta(minutes=50)
    for minute in range(0, 40, 10):
        start = begin + timedelta(minutes=minute)
        app = "code" if minute % 20 else "firefox"
        desk.work(app, f"{app} window", start, start + timedelta(minutes=10))


@pytest.mark.server
@pytest.mark.usefixtures("noon")
def test_the_page_says_what_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = copy_home(tmp_path / "home")
    batch, predictor, loop, labelling = blocks()
    names: dict[str, Any] = {"home": home}
    exec(compile(batch.replace("export.json", str(EXPORT)), PAGE.name, "exec"), names)
    assert len(names["result"].smoothed_labels) == len(names["rows"]) > 0
    exec(compile(predictor, PAGE.name, "exec"), names)
    assert names["prediction"].bucket_start_ts == names["rows"][-1].bucket_start_ts
    with run_aw_server(tmp_path / "aw") as server:
        an_hour_of_work(server)
        stop = threading.Event()
        names |= {"stop": stop, "out": tmp_path / "out", "server": server.url}
        worker = threading.Thread(target=exec, args=(compile(loop, PAGE.name, "exec"), names))
        worker.start()
        until = time.monotonic() + 30
        written = tmp_path / "out" / "predictions.csv"
        while not written.exists() and time.monotonic() < until:
            time.sleep(0.1)
        stop.set()
        worker.join(120)
        assert not worker.is_alive()
    assert len(written.read_text().splitlines()) > 20
    assert "Queued for a label: " in capsys.readouterr().out
    assert list((tmp_path / "out" / "telemetry").glob("telemetry_*.jsonl"))
    assert {entry["status"] for entry in json.loads((tmp_path / "out" / "queue.json").read_text())} == {"pending"}
    exec(compile(labelling, PAGE.name, "exec"), names)
    assert len(capsys.readouterr().out.splitlines()) >= 1
    exec(compile(labelling, PAGE.name, "exec"), names)
    assert capsys.readouterr().out == ""  # skipped stays skipped
    assert "skipped" in {entry["status"] for entry in json.loads((tmp_path / "out" / "queue.json").read_text())}
    assert read_segments_json(tmp_path / "out" / "segments.json")


EXPORT = Path(__file__).parents[1] / "data" / "real_watchers" / "aw-buckets-export_default-settings_290s.json"
