"""What the tray process holds: its resident memory after an hour of simulated time, and what it never loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from taskclf_tray.system.own_process import ATTACHABLE_VARIABLE
from tests.support.dbus import Panel
from tests.support.dbus_bus import PrivateBus
from tests.support.processes import python_child, wait_until
from tests.support.sni_driver import TrayClient

LIMIT_MIB = 95
NEVER_LOADED = ("lightgbm", "pandas", "sklearn", "scikit_learn", "pyarrow", "/scipy/", "numpy/random", "matplotlib")


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


@pytest.mark.bus
def test_memory_with_the_tray(session_bus: PrivateBus, panel: Panel, tmp_path: Path) -> None:
    """An hour of simulated time passes in 15 s; the model is loaded and the icon has been drawn many times."""
    assert panel is not None
    env = {**session_bus.env, "TASKCLF_HOME": str(tmp_path / "home"), ATTACHABLE_VARIABLE: "1"}
    with python_child("taskclf_tray", ["demo", "--speed", "240"], env) as app, TrayClient(env) as tray:
        log = tmp_path / "home" / "tray" / "demo" / "tray" / "tray.db"
        wait_until(log.exists, "the record", 15)
        titles: set[str] = set()

        def an_hour_has_passed() -> bool:
            titles.add(str(tray.props()["Title"]))
            return len([title for title in titles if "%" in title]) >= 12

        wait_until(an_hour_has_passed, "a dozen different labels", 60)
        resident = resident_mib(app.pid)
        print(f"resident with the tray: {resident:.1f} MiB")
        assert resident <= LIMIT_MIB
        maps = Path(f"/proc/{app.pid}/maps").read_text()
        assert "numpy" in maps
        assert [name for name in NEVER_LOADED if name in maps] == []
