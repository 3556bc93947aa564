"""What is printed where a code page lacks characters, and where nothing can be printed: success stays success."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from taskclf_tray.app import doctor
from taskclf_tray.app.home_checks import CheckResult
from taskclf_tray.cli.main import main, main_windowed
from taskclf_tray.core.errors import SourceError
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig
from taskclf_tray.infer.taxonomy_file import save_taxonomy
from taskclf_tray.ui import app, headless
from taskclf_tray.ui.app import Options
from tests.support.cli_records import MONDAY, RecordHome, in_berlin, line, put, request_of

__all__ = ["in_berlin", "line"]

ADD = ("labels", "add", "--start", "14:05", "--end", "14:25", "Build")
CODE_PAGES = ("cp1252", "cp437", "gbk", "latin-1", "ascii")
REQUEST = "abcd1234"


class Full(io.StringIO):
    """A disk without space."""

    error: OSError = OSError(errno.ENOSPC, "No space left on device")

    def write(self, words: str) -> int:
        raise self.error


class Gone(Full):
    """A pipe nobody reads any more."""

    error = BrokenPipeError(errno.EPIPE, "Broken pipe")


@contextmanager
def printed(encoding: str) -> Iterator[io.BytesIO]:
    """Standard output as redirected on a machine with this code page."""
    raw = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        stream = io.TextIOWrapper(raw, encoding=encoding)
        patch.setattr(sys, "stdout", stream)
        yield raw
        stream.flush()
        stream.detach()


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_a_label_is_written_and_said_in_every_code_page(line: RecordHome, encoding: str) -> None:
    with printed(encoding) as raw:
        assert line.call(*ADD)[0] == 0
    assert raw.getvalue().decode(encoding).startswith("2026-03-02 14:05")
    assert raw.getvalue().endswith(b"14:25 (20 min) is Build." + os.linesep.encode())
    assert line.said() == [("03-02 14:05", "03-02 14:25", "Build")]


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_the_check_up_never_fails_for_its_marks(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [CheckResult("Home", "ok", "/h"), CheckResult("Model", "failed", "no – “x”", "Train…")]
    monkeypatch.setattr(doctor, "check_everything", lambda **_: findings)
    with printed(encoding) as raw:
        assert main(["doctor"]) == 1
    lines = raw.getvalue().decode(encoding).split(os.linesep)
    assert lines[0] == "OK Home: /h"
    assert lines[1].startswith("!! Model: no ")
    assert lines[2].endswith(" Train..." if encoding not in ("cp1252", "gbk") else " Train…")


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_a_category_with_a_picture_in_its_name(line: RecordHome, encoding: str) -> None:
    name = "☕ Pause"
    save_taxonomy(
        TaxonomyConfig(buckets=(TaxonomyBucket(name=name, core_labels=("BreakIdle",)),)),
        line.home / "configs" / "user_taxonomy.yaml",
    )
    put(line, MONDAY, 30, "BreakIdle", ui=name)
    with printed(encoding) as raw:
        assert line.call("report", "daily", "--csv")[0] == 0
    assert "? Pause" in raw.getvalue().decode(encoding)
    with printed(encoding) as raw:
        assert line.call("report", "daily", "--json")[0] == 0
    assert json.loads(raw.getvalue().decode(encoding))["ui_label_seconds"] == {name: 1800.0}
    with printed(encoding):
        assert line.call("report", "daily")[0] == 0
        assert line.call("report", "weekly")[0] == 0


def test_redirected_on_a_machine_with_an_old_code_page(line: RecordHome) -> None:
    """The process itself, as in the field."""
    environ = {**os.environ, "PYTHONIOENCODING": "cp437"}
    command = [sys.executable, "-m", "taskclf_tray", "--home", str(line.home), "policy", "validate"]
    done = subprocess.run(command, capture_output=True, env=environ)
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.splitlines()[0] == b"!! The file inference_policy.json is missing."


# -- nothing can be printed -----------------------------------------------------------------------------------


def done_commands(line: RecordHome, tmp_path: Path) -> list[tuple[str, ...]]:
    """Commands that change or write something, and what they need."""
    line.put_request(REQUEST, 60)
    line.put_request("efgh1234", 120)
    labels, queue = tmp_path / "labels.csv", tmp_path / "queue.json"
    labels.write_text("start_ts,end_ts,label\n2026-03-02T10:05Z,2026-03-02T10:25Z,Meet\n")
    queue.write_text("[]")
    return [
        ADD,
        ("labels", "undo"),
        ("labels", "delete", "--start", "10:00", "--end", "10:05"),
        ("labels", "import", str(labels)),
        ("labels", "export", "--out", str(tmp_path / "out.csv")),
        ("queue", "answer", REQUEST, "Build"),
        ("queue", "skip", "efgh1234"),
        ("queue", "asking", "off"),
        ("queue", "import", str(queue)),
        ("queue", "export", "--out", str(tmp_path / "out.json")),
        ("report", "daily", "--json", "--out", str(tmp_path / "day.json")),
        ("taxonomy", "init"),
        ("policy", "remove"),
    ]


@pytest.mark.parametrize("kind", [Full, Gone])
def test_what_is_done_is_done_whether_it_can_be_said_or_not(
    line: RecordHome, tmp_path: Path, kind: type[Full], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in done_commands(line, tmp_path):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", kind())
            code, _, err = line.call(*words)
        assert code == 0, words
        assert ("It is done, but the answer cannot be printed (No space left on device)." in err) is (kind is Full)
        assert err.count("\n") == (kind is Full)
    assert {path.name for path in tmp_path.iterdir()} >= {"out.csv", "out.json", "day.json"}
    assert [label for _, _, label in line.said()] == ["Meet", "Build"]


@pytest.mark.parametrize("kind", [Full, Gone])
@pytest.mark.parametrize(
    "words", [("labels", "list"), ("labels", "export"), ("queue", "list"), ("report", "daily"), ("policy", "show")]
)
def test_an_answer_that_nobody_got_is_a_failure_where_it_was_all_there_was(
    line: RecordHome, kind: type[Full], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", kind())
        code, _, err = line.call(*words)
    assert code == 1
    assert ("The answer cannot be printed (No space left on device)." in err) is (kind is Full)


@pytest.mark.parametrize("kind", [Full, Gone])
def test_a_run_that_caught_up_did_so_whether_it_can_be_said_or_not(
    kind: type[Full], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "run", lambda _options: headless.answer("11 minutes finalised."))
    monkeypatch.setattr(sys, "stdout", kind())
    assert main(["run", "--once"]) == 0
    assert ("It is done, but the answer cannot be printed" in capsys.readouterr().err) is (kind is Full)


def test_a_full_disk_behind_standard_output(line: RecordHome) -> None:
    """The process itself: no second complaint when the interpreter ends."""
    command = [sys.executable, "-m", "taskclf_tray", "labels", "add", "--home", str(line.home), "--start"]
    command += ["2026-03-02T13:05Z", "--end", "2026-03-02T13:25Z", "Build"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert done.stderr.startswith("taskclf-tray: It is done, but the answer cannot be printed (")
    assert done.stderr.count("\n") == 1
    assert line.said() == [("03-02 14:05", "03-02 14:25", "Build")]


def test_help_for_a_reader_who_has_seen_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """argparse prints by itself; what is buffered then fails when it is flushed."""

    class Late(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Late())
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0


def test_standard_error_that_cannot_be_written_hides_nothing_else(
    line: RecordHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Full())
        assert line.call("queue", "skip", "none")[0] == 1


def test_the_entry_without_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_options: Options) -> int:
        print("to nobody ✓")
        sys.stderr.write("nor here")
        return 0

    monkeypatch.setattr(app, "run", start)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main_windowed() == 0
    for stream in (sys.stdout, sys.stderr):
        assert stream is not None
        stream.close()


# -- for programs ---------------------------------------------------------------------------------------------


def test_an_error_is_json_too_where_json_is_asked_for(line: RecordHome) -> None:
    request_of(REQUEST, 10)
    for words in (("queue", "skip", REQUEST), ("policy", "create"), ("model", "inspect")):
        code, out, err = line.call(*words, "--json")
        facts = json.loads(out)
        assert code == 1
        assert list(facts) == ["error", "next_step"]
        assert f"taskclf-tray: {facts['error']} {facts['next_step']}\n" == err


def test_the_event_stream_ends_with_what_went_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_options: Options) -> int:
        raise SourceError("Nobody answers.", "Start it.")

    def break_down(_options: Options) -> int:
        raise ZeroDivisionError("Quarterly Secret")

    monkeypatch.setattr(app, "run", fail)
    assert main(["--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"event": "error", "error": "Nobody answers.", "next_step": "Start it."}
    assert err == "taskclf-tray: Nobody answers. Start it.\n"
    monkeypatch.setattr(app, "run", break_down)
    assert main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)["next_step"] == "--debug shows where."


def test_a_file_that_cannot_be_read_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_options: Options) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", "/x/tray.log")

    monkeypatch.setattr(app, "run", fail)
    assert main([]) == 1
    assert "/x/tray.log cannot be read or written (Permission denied)." in capsys.readouterr().err
