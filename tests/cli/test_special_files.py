"""A FIFO, socket, device, folder or link where a file belongs: one sentence, at once, and it is left as it is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.jobs.batch import BatchRequest, run
from taskclf_tray.store.database import Database
from tests.support.cli_records import RecordHome, in_berlin
from tests.support.homes import CommandLine
from tests.support.sample_rows import BUNDLE
from tests.support.special_files import KINDS, mark, no_waiting, put
from tests.support.worker_home import USER

__all__ = ["in_berlin"]

NO_SERVER = ["--aw-host", "http://127.0.0.1:9"]
STORE = "artifacts/calibrator_store"
MODEL = f"models/{BUNDLE.name}"
READERS: dict[str, list[list[str]]] = {
    "config.toml": [["report", "daily"], ["run", "--once", *NO_SERVER]],
    "configs/user_taxonomy.yaml": [["taxonomy", "validate"], ["taxonomy", "show"], ["taxonomy", "init", "--force"]],
    "models/inference_policy.json": [["policy", "show"], ["policy", "validate"], ["model", "rollback"]],
    "models/active.json": [["model", "list"], ["model", "set-active", BUNDLE.name]],
    "models/active_history.jsonl": [["model", "list"], ["model", "set-active", BUNDLE.name]],
    f"{MODEL}/model.txt": [["model", "list"], ["model", "inspect", BUNDLE.name]],
    f"{MODEL}/metadata.json": [["model", "list"], ["model", "inspect", BUNDLE.name]],
    f"{MODEL}/metrics.json": [["model", "list"], ["model", "inspect", BUNDLE.name]],
    f"{MODEL}/categorical_encoders.json": [["model", "list"], ["model", "inspect", BUNDLE.name]],
    f"{STORE}/store.json": [["policy", "validate"], ["train", "list"]],
    f"{STORE}/global.json": [["policy", "validate"], ["train", "list"]],
    f"{STORE}/users/aaaaaaaa-0000-4000-8000-000000000001.json": [["policy", "validate"]],
    "data/processed/.user_id": [["run", "--once", *NO_SERVER], ["labels", "list"]],
    "data/processed/.title_secret": [["run", "--once", *NO_SERVER], ["labels", "list"]],
    "data/processed/config.toml": [["config", "import"]],
    "data/processed/labels_v1/labels.parquet": [["labels", "import", "{home}/data/processed/labels_v1/labels.parquet"]],
    "data/processed/labels_v1/queue.json": [["queue", "import", "{home}/data/processed/labels_v1/queue.json"]],
    "tray/identity.json": [["run", "--once", *NO_SERVER]],
    "tray/tray.db": [["labels", "list"], ["report", "daily"], ["run", "--once", *NO_SERVER]],
    "tray/tray.db-wal": [["labels", "list"]],
    "tray/tray.db-journal": [["labels", "list"]],
    "tray/tray.lock": [["run", "--once", *NO_SERVER]],
    "tray/home.lock": [["policy", "remove"]],
}
"""The files of a home, and commands that read or write each."""


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """What the app sets up for its process is taken back."""
    root, level, raises = logging.getLogger(), logging.getLogger().level, logging.raiseExceptions
    before = list(root.handlers)
    yield
    logging.raiseExceptions = raises
    root.setLevel(level)
    for handler in [one for one in root.handlers if one not in before]:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    line = CommandLine(tmp_path / "home", capsys)
    for name, said in ((".user_id", USER), (".title_secret", "5ec4e7" * 10 + "5ec4")):
        path = line.home / "data" / "processed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(said)
    Database(line.home / "tray" / "tray.db").close()
    return line


def check_sentence(said: str) -> None:
    """Something a person can read."""
    assert "unexpected" not in said
    assert "Errno" not in said
    assert ".." not in said.replace("...", "")
    assert max(map(len, said.splitlines()), default=0) < 700


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_the_home_that_is_none(line: CommandLine, name: str) -> None:
    path = line.home / name
    starts_app = any("run" in words for words in READERS[name])  # takes a second
    for kind in ("fifo", "device") if starts_app else ("fifo", "socket", "folder", "device"):
        there = put(path, kind)
        for words in READERS[name]:
            with no_waiting():
                code, _, said = line.call(*(word.format(home=line.home) for word in words))
            assert code in (0, 1), (kind, words)
            check_sentence(said)
            assert mark(path) == there, (kind, words)


INPUTS = {
    "labels import": "labels.csv",
    "queue import": "queue.json",
    "taxonomy validate": "mine.yaml",
    "taxonomy show": "mine.yaml",
}


@pytest.mark.parametrize("command", INPUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_input_that_is_no_file(line: CommandLine, tmp_path: Path, command: str, kind: str) -> None:
    path = tmp_path / INPUTS[command]
    there = put(path, kind)
    with no_waiting():
        code, out, said = line.call(*command.split(), str(path))
    assert code == 1
    check_sentence(out + said)
    assert path.name in out + said
    assert mark(path) == there


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_of_a_job_that_is_no_file(line: CommandLine, tmp_path: Path, kind: str) -> None:
    for name in ("export.json", "rows.parquet"):
        put(tmp_path / name, kind)
        with no_waiting(), pytest.raises(TaskclfError) as caught:
            run(BatchRequest(str(line.home), str(tmp_path / name)), lambda _event: None)
        check_sentence(str(caught.value))
    put(tmp_path / "mine.yaml", kind)
    with no_waiting(), pytest.raises(TaskclfError, match=r"mine\.yaml"):
        run(BatchRequest(str(line.home), taxonomy=str(tmp_path / "mine.yaml")), lambda _event: None)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("folder", "link to nowhere")])
def test_out_never_replaces_what_is_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    line = RecordHome(tmp_path / "home", capsys, monkeypatch)
    for words, name in (
        (["labels", "export"], "labels.csv"),
        (["queue", "export"], "queue.json"),
        (["report", "daily"], "day.csv"),
    ):
        there = put(tmp_path / name, kind)
        with no_waiting():
            said = line.refused(*words, "--out", str(tmp_path / name))
        check_sentence(said)
        assert str(tmp_path / name) in said
        assert mark(tmp_path / name) == there
