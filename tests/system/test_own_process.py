"""A process of the application keeps its files and its memory to itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SHOW = """
import ctypes, os, resource, sys
from taskclf_tray.system.own_process import protect
protect()
umask = os.umask(0)
print(oct(umask), resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_files_are_private_and_no_core_is_dumped() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0o77", "0", "0"]


def test_a_command_makes_private_files_only(tmp_path: Path) -> None:
    """Under the loosest umask, through the real entry."""
    out = tmp_path / "labels.csv"
    home = tmp_path / "home"
    command = [sys.executable, "-P", "-m", "taskclf_tray"]
    labels = tmp_path / "given.csv"
    labels.write_text("start_ts,end_ts,label\n2026-03-02T09:00:00Z,2026-03-02T09:10:00Z,Build\n")
    labels.chmod(0o600)
    for words in (["labels", "import", str(labels)], ["labels", "export", "--out", str(out)]):
        subprocess.run([*command, *words, "--home", str(home)], capture_output=True, check=True, umask=0)
    found = [path for path in (home, out, *home.rglob("*")) if path.stat().st_mode & 0o077]
    assert home.is_dir()
    assert found == []
