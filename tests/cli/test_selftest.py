"""`taskclf-tray selftest`: it tests the real parts, and tells a part that is missing from one that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.app import selftest
from taskclf_tray.cli.main import main
from tests.support.dbus_bus import PrivateBus, private_bus
from tests.support.notify_service import NotificationService


@pytest.fixture
def session_bus() -> Iterator[PrivateBus]:
    with private_bus() as bus:
        yield bus


@pytest.fixture
def service(session_bus: PrivateBus) -> Iterator[NotificationService]:
    running = NotificationService(session_bus.address)
    yield running
    running.stop()


def test_every_part_works_here(
    session_bus: PrivateBus,
    service: NotificationService,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session_bus.address)
    monkeypatch.setenv("TASKCLF_HOME", str(tmp_path / "home"))
    assert main(["--selftest", "--json"]) == 0
    results = {
        result["subject"]: (result["verdict"], result["detail"]) for result in json.loads(capsys.readouterr().out)
    }
    assert {subject: verdict for subject, (verdict, _) in results.items()} == {
        "Model": "ok", "Record": "ok", "Jobs": "ok", "Training": "ok", "Tray": "ok", "Notifications": "ok",
    }  # fmt: skip
    assert "predicted 359 minutes" in results["Jobs"][1]
    assert "trained on 3" in results["Training"][1]
    assert [notice.title for notice in service.shown] == ["taskclf-tray"]
    assert not (tmp_path / "home").exists()


def test_what_fails_and_what_is_missing_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(selftest, "has_libraries", lambda: False)
    monkeypatch.setattr(selftest, "EXPECTED", ((1.0,) * 8,) * 2)
    monkeypatch.setattr(selftest, "_PARTS", {name: selftest._PARTS[name] for name in ("Model", "Training")})
    assert main(["selftest"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[0] for line in lines if line[0] != " "] == list("✗···")
    assert "does not predict what it should" in lines[0]
    assert "· Training: not tested: this edition predicts and does not train" in lines
    assert "· Tray: not tested: there is no D-Bus session bus" in lines
