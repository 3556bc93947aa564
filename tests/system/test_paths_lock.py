"""Where a home is, whether it can be used, and that one instance runs in it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from taskclf_tray.core.errors import AlreadyRunningError
from taskclf_tray.core.filelocks import HomeBusyError, home_lock
from taskclf_tray.system.lock import SingleInstance
from taskclf_tray.system.paths import HomeError, HomePaths, home_dir, prepare_home


def test_home_comes_from_the_override_the_variable_or_the_platform(tmp_path: Path) -> None:
    environ = {"TASKCLF_HOME": str(tmp_path / "env")}
    assert home_dir(tmp_path / "given", environ) == tmp_path / "given"
    assert home_dir(None, environ) == tmp_path / "env"
    assert home_dir(None, {"TASKCLF_HOME": ""}) == Path(platformdirs.user_data_dir("taskclf", False)).resolve()
    assert home_dir(None, {}).name == "taskclf"


def test_prepare_makes_the_folders_and_keeps_own_state_private(tmp_path: Path) -> None:
    paths = prepare_home(tmp_path / "new/home")
    assert isinstance(paths, HomePaths)
    assert all(folder.is_dir() for folder in (paths.models, paths.configs, paths.artifacts, paths.processed))
    assert stat.S_IMODE(paths.tray.stat().st_mode) == 0o700
    assert list(paths.tray.iterdir()) == []
    assert (paths.database, paths.policy) == (paths.home / "tray/tray.db", paths.home / "models/inference_policy.json")


def test_a_home_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="file"):
        prepare_home(tmp_path / "file")
    for folder in (Path("/"), Path.home()):
        with pytest.raises(HomeError, match="cannot be the home"):
            prepare_home(folder)


def test_second_instance_is_refused_and_raises_the_first(tmp_path: Path) -> None:
    with SingleInstance(tmp_path) as first:
        assert first.take_raise_request() is False
        with pytest.raises(AlreadyRunningError, match="already running"):
            SingleInstance(tmp_path).acquire()
        assert first.take_raise_request() is True
        assert first.take_raise_request() is False
    with SingleInstance(tmp_path):
        pass


def test_lock_is_free_after_kill_9_and_a_stale_request_is_dropped(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time\nfrom taskclf_tray.system.lock import SingleInstance\n"
        "one = SingleInstance(pathlib.Path(sys.argv[1])); one.acquire(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError):
            SingleInstance(tmp_path).acquire()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with SingleInstance(tmp_path) as instance:
        assert instance.take_raise_request() is False


def test_home_lock_may_be_taken_again_but_not_by_another_process(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom taskclf_tray.core.filelocks import HomeBusyError, home_lock\n"
        "try:\n    with home_lock(pathlib.Path(sys.argv[1]), 0.1): print('free')\n"
        "except HomeBusyError: print('busy')"
    )

    def other() -> str:
        command = [sys.executable, "-c", code, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with home_lock(tmp_path), home_lock(tmp_path):
        assert other() == "busy"
    assert other() == "free"


def test_home_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tray").write_text("")
    with pytest.raises(HomeBusyError, match="cannot be made"), home_lock(tmp_path):
        pass
