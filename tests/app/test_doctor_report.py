"""The report of `doctor --bundle`: readable, and without a name."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from taskclf_tray.app.doctor_report import redacted
from tests.support.homes import CommandLine

CANARIES = ("Secret Customer", "verysecretkey", "kerstin", "0badc0de-0000-4000-8000-00000000abcd", "intranet.example")


def test_the_report_holds_what_helps_and_no_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = CommandLine(tmp_path / "kerstins home", capsys)
    monkeypatch.setenv("USER", "kerstin")
    monkeypatch.setattr(socket, "gethostname", lambda: "kerstins-pc")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "XFCE")
    (line.home / "config.toml").write_text(
        'exclude_apps = ["Secret Customer"]\naw_api_key = "verysecretkey"\nasks_per_day = 3\n'
    )
    (line.home / "tray").mkdir(exist_ok=True)
    (line.home / "tray" / "tray.log").write_text(
        f"2026 INFO {line.home}/tray/tray.db of kerstin on {socket.gethostname()}\n"
        "2026 WARNING user 0badc0de-0000-4000-8000-00000000abcd at https://intranet.example/x?q=1\n"
    )
    target = tmp_path / "report.txt"
    code, out, errors = line.call("doctor", "--aw-host", "http://127.0.0.1:9", "--bundle", str(target))
    assert (code, errors) == (0, "")
    assert "Read it before you send it" in out
    assert target.stat().st_mode & 0o077 == 0
    report = target.read_text()
    for part in (
        "== System ==",
        "XDG_CURRENT_DESKTOP=XFCE",
        "== Findings ==",
        "asks_per_day = 3",
        "exclude_apps = (set)",
    ):
        assert part in report
    assert "INFO HOME/tray/tray.db of USER on HOST" in report
    assert "user ID at ADDRESS" in report
    for canary in (*CANARIES, str(line.home), str(Path.home()), socket.gethostname()):
        assert canary not in report
    assert "cannot be written" in line.refused("doctor", "--aw-host", "http://127.0.0.1:9", "--bundle", str(target))
    assert target.read_text() == report


def test_a_short_name_is_not_replaced_inside_words() -> None:
    environ = {"USER": "ann"}
    assert (
        redacted("ann planned http://localhost:5600", Path("/h/ann"), environ) == "USER planned http://localhost:5600"
    )
