"""Commands over sources that are damaged or made up: an answer or one sentence, whatever they hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.adapters.base import Stream
from taskclf_tray.cli.main import main
from taskclf_tray.core.errors import ExportFormatError
from taskclf_tray.jobs.batch import BatchRequest, run
from taskclf_tray.store.database import Database
from tests.support.app_process import noon_zone
from tests.support.aw_server import run_rust_server
from tests.support.cli_records import clock_of
from tests.support.worker_home import copy_home, recorded

UNASKABLE = ("\ud800", "..", ".", "x" * 600)


def front(minutes_ago: float, seconds: float, app: str) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return {"timestamp": at.isoformat(), "duration": seconds, "data": {"app": app, "title": ""}}


def test_once_passes_buckets_over_that_nobody_can_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = copy_home(tmp_path / "home")
    with run_rust_server(hostname="h") as server, clock_of(noon_zone(), monkeypatch):
        for name in UNASKABLE:
            server.add(name, Stream.WINDOW, name, [front(9, 540, "bad")])
        server.add("w", Stream.WINDOW, "h", [front(9, 300, "good")])
        assert main(["run", "--once", "--aw-host", server.url, "--home", str(home)]) == 0
        asked = {path.partition("?")[0] for path in server.asked}
    assert asked == {"/api/0/info", "/api/0/buckets/", "/api/0/buckets/w/events"}
    database = Database(home / "tray" / "tray.db", read_only=True)
    try:
        assert len(recorded(database)) >= 4
    finally:
        database.close()
    out, err = capsys.readouterr()
    assert "minutes finalised" in out
    assert not err


def test_a_batch_passes_them_over_too(tmp_path: Path) -> None:
    buckets = {
        name: {"type": "currentwindow", "hostname": name, "events": [front(9, 300, name)]}
        for name in (*UNASKABLE, "good")
    }
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"buckets": buckets}))
    said: list[dict[str, Any]] = []
    home = copy_home(tmp_path / "home")
    outcome = run(BatchRequest(str(home), str(path), out_dir=str(tmp_path)), said.append)
    assert outcome["rows"] in (5, 6)
    assert outcome["export"]["read"] == ["good"]
    assert any("were left out (a damaged name)" in event.get("text", "") for event in said)


@pytest.mark.parametrize("content", [b"[" + b"[]," * 200_000 + b"0]", b"[" * 300_000, b'{"a":' * 300_000])
def test_a_batch_refuses_a_file_of_small_values(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(content)
    home = copy_home(tmp_path / "home")
    with pytest.raises(ExportFormatError, match=r"export\.json holds more lists or objects"):
        run(BatchRequest(str(home), str(path)), lambda _event: None)
