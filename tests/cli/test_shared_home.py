"""One home for this program and the taskclf tool: what the tool has is noticed, named, and taken over on request."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from taskclf_tray.app.doctor import check_everything
from taskclf_tray.app.session import install_starter_model
from taskclf_tray.app.tool_files import tell_once
from taskclf_tray.core.config import load_config
from taskclf_tray.models.registry import list_bundles
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths, prepare_home
from tests.support.cli_records import RecordHome, in_berlin, line
from tests.support.sample_rows import BUNDLE, HOME
from tests.support.worker_home import USER

__all__ = ["in_berlin", "line"]

NO_SERVER = "http://127.0.0.1:9"
TOOL_CONFIG = """\
# as the tool writes it, with one line changed
username = "default-user"
notifications_enabled = true
aw_host = "http://localhost:5999"
poll_seconds = 60
ui_port = 8741
suggestion_banner_ttl_seconds = 0
auto_save_suggestion_min_confidence = 0.8
"""


def question(request_id: str, minute: int, user: str = USER, status: str = "pending") -> dict[str, Any]:
    return {
        "request_id": request_id,
        "user_id": user,
        "bucket_start_ts": f"2026-03-02T12:{minute:02}:00Z",
        "bucket_end_ts": f"2026-03-02T12:{minute + 1:02}:00Z",
        "reason": "low_confidence",
        "confidence": 0.31,
        "predicted_label": "Build",
        "created_at": "2026-03-02T12:59:00.123456Z",
        "status": status,
    }


@pytest.fixture
def shared(line: RecordHome) -> RecordHome:
    """The home with labels, questions and settings of the tool."""
    paths = HomePaths(line.home)
    paths.tool_queue.parent.mkdir(parents=True)
    paths.tool_queue.write_text(json.dumps([question("a", 1), question("b", 3, status="skipped"), question("c", 5)]))
    paths.tool_config.write_text(TOOL_CONFIG)
    write_labels(paths.tool_labels, USER)
    return line


def write_labels(path: Path, user: str) -> None:
    moments = [datetime(2026, 3, 2, 12, minute, tzinfo=UTC) for minute in (0, 10, 20)]
    table = pa.table(
        {
            "start_ts": pa.array(moments[:2], pa.timestamp("us", "UTC")),
            "end_ts": pa.array(moments[1:], pa.timestamp("us", "UTC")),
            "label": ["Build", "Meet"],
            "provenance": ["manual", "manual"],
            "user_id": [user, user],
            "confidence": pa.array([None, 0.75], pa.float64()),
            "extend_forward": [False, False],
        }
    )
    parquet.write_table(table, path)


def notes(home: Path) -> list[tuple[str, str]]:
    found = check_everything(home=home, aw_host=NO_SERVER)
    return [(finding.detail, finding.next_step) for finding in found if finding.subject == "Taskclf tool"]


def test_the_doctor_names_each_file_and_what_to_do_until_it_is_done(shared: RecordHome) -> None:
    labels, queue, config = notes(shared.home)
    assert labels[1] == f"taskclf-tray labels import {HomePaths(shared.home).tool_labels}"
    assert queue[0].startswith("2 questions wait in ")
    assert queue[1] == f"taskclf-tray queue import {HomePaths(shared.home).tool_queue}"
    assert 'aw_host = "http://localhost:5999"' in config[0]
    assert "ui_port" not in config[0]
    assert config[1] == "taskclf-tray config import"
    assert shared.json(*labels[1].split()[1:])["labels"] == 2
    assert shared.said() == [("03-02 13:00", "03-02 13:10", "Build"), ("03-02 13:10", "03-02 13:20", "Meet")]
    assert shared.json(*queue[1].split()[1:])["imported"] == 3
    assert shared.json(*config[1].split()[1:])["is_written"] is True
    config_now, problems = load_config(HomePaths(shared.home).config)
    assert (config_now.aw_host, config_now.ui_port, problems) == ("http://localhost:5999", 0, [])
    assert notes(shared.home) == []


def test_labels_that_changed_since_are_named_again(shared: RecordHome) -> None:
    path = HomePaths(shared.home).tool_labels
    shared.call("labels", "import", str(path))
    assert "labels import" not in notes(shared.home)[0][1]
    write_labels(path, "somebody")
    assert "labels import" in notes(shared.home)[0][1]
    assert "With --adopt they become your labels" in shared.refused("labels", "import", str(path))
    assert shared.json("labels", "import", str(path), "--adopt")["labels"] == 2


@pytest.mark.parametrize(
    ("content", "what"), [(b"PAR1 and no more", "cannot be read as Parquet"), (b"", "labels.parquet is empty")]
)
def test_labels_that_cannot_be_read(shared: RecordHome, content: bytes, what: str) -> None:
    path = HomePaths(shared.home).tool_labels
    path.write_bytes(content)
    assert what in shared.refused("labels", "import", str(path))
    assert shared.said() == []


def test_a_parquet_file_without_labels_is_named(shared: RecordHome, tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    parquet.write_table(pa.table({"start_ts": [1]}), path)
    assert "other.parquet has no column end_ts and no column label" in shared.refused("labels", "import", str(path))


def test_settings_of_ones_own_are_never_overwritten(shared: RecordHome) -> None:
    own = HomePaths(shared.home).config
    own.write_text('smoother = "majority"\n')
    said = shared.refused("config", "import")
    assert "nothing was written" in said
    assert 'aw_host = "http://localhost:5999"' in said
    assert own.read_text() == 'smoother = "majority"\n'
    assert "copy the lines" in notes(shared.home)[2][1]
    own.write_text('aw_host = "http://localhost:5999"\n')
    assert shared.json("config", "import")["is_written"] is False
    HomePaths(shared.home).tool_config.unlink()
    assert "has no settings in this home" in shared.refused("config", "import")


def test_every_key_of_the_tool_is_accepted_without_complaint(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TOOL_CONFIG)
    config, problems = load_config(path)
    assert (config.aw_host, problems) == ("http://localhost:5999", [])


def test_it_is_told_once_at_the_start_and_again_when_a_file_changes(shared: RecordHome) -> None:
    paths = HomePaths(shared.home)

    def told() -> tuple[str, str] | None:
        with shared.database() as database:
            return tell_once(paths, database, USER, load_config(paths.config)[0])

    first = told()
    assert first is not None
    assert "labels.parquet, queue.json, config.toml" in first[1]
    assert told() is None
    paths.tool_queue.write_text(json.dumps([question("z", 9)]))
    assert told() is not None


# -- the starter model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_sound", [True, False])
def test_the_starter_stays_out_of_a_home_that_has_a_model(is_sound: bool, tmp_path: Path) -> None:
    paths = prepare_home(tmp_path / "home")
    other = Path(shutil.copytree(BUNDLE, paths.models / BUNDLE.name))
    if not is_sound:
        (other / "metadata.json").unlink()
    database = Database(paths.database)
    assert install_starter_model(paths, database) is None
    assert [info.name for info in list_bundles(paths.models)] == [BUNDLE.name]
    shutil.rmtree(other)
    assert install_starter_model(paths, database) is not None
    database.close()


def test_the_doctor_puts_nothing_among_the_models(tmp_path: Path) -> None:
    for home in (tmp_path / "new", Path(shutil.copytree(HOME, tmp_path / "tools"))):
        before = sorted(path.name for path in home.glob("models/*"))
        check_everything(home=home, aw_host=NO_SERVER)
        assert sorted(path.name for path in home.glob("models/*")) == before


# -- the documents' spellings ---------------------------------------------------------------------------------


def test_labels_show_queue_is_queue_list(shared: RecordHome) -> None:
    shared.put_request("r1", 30)
    assert shared.call("labels", "show-queue") == shared.call("queue", "list")
    assert shared.json("labels", "show-queue", "--limit", "1")["waiting"] == 1
