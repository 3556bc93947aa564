"""The process of every job: kept off the network, and there is no other kind of job."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import taskclf_tray
from taskclf_tray.jobs.child import JobError, run_child
from taskclf_tray.system import job_entry

JOBS = Path(taskclf_tray.__file__).parent / "jobs"
REACHING = "tests.support.reaching_job"


@pytest.mark.parametrize("way", ["stream", "datagram", "datagram_v6", "loopback", "listen", "name", "page"])
def test_a_job_reaches_no_network(way: str) -> None:
    with pytest.raises(JobError, match=r"something in it wanted to reach the network \(socket\.\w+\)"):
        run_child(REACHING, {"way": way}, lambda _event: None)


def test_processes_of_this_machine_may_talk() -> None:
    assert run_child(REACHING, {"way": "between_processes"}, lambda _event: None) == {"event": "done"}


def test_every_job_is_served_in_the_way_that_keeps_it_off_the_network() -> None:
    jobs = [path for path in JOBS.glob("*.py") if "start" in _called(path)]
    assert {path.stem for path in jobs} == {"batch", "drift", "labels", "refit", "replay", "retrain", "train"}
    assert [path.name for path in jobs if "serve" not in _called(path)] == []
    assert [path.name for path in JOBS.glob("*.py") if "__main__" in path.read_text() and path not in jobs] == []


@pytest.mark.parametrize(
    ("job", "library", "extra"),
    [("drift", "scipy", "train"), ("retrain", "lightgbm", "train"), ("labels", "pyarrow", "parquet")],
)
def test_a_job_names_the_library_it_lacks(job: str, library: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None; "
        f"from taskclf_tray.system.job_entry import start; start('taskclf_tray.jobs.{job}')"
    )
    done = subprocess.run([sys.executable, "-c", code, "{}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    said = json.loads(done.stdout)
    assert (said["event"], said["title"]) == ("error", f"This needs {library}, which is not installed.")
    assert f"pip install 'taskclf-tray[{extra}]'" in said["next_step"]


def test_a_bundled_program_runs_its_own_jobs(tmp_path: Path) -> None:
    """There is no Python beside it, and `-m MODULE` would reach the parser of its own arguments."""
    code = "import sys; sys.frozen = True; from taskclf_tray.__main__ import main; main()"
    request = json.dumps({"file": str(tmp_path / "none.parquet"), "out": str(tmp_path / "out.csv")})
    command = [sys.executable, "-c", code, "--job", "taskclf_tray.jobs.labels", request]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["title"] == "none.parquet cannot be read as Parquet."


def test_a_bundled_program_starts_jobs_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert job_entry.job_command("taskclf_tray.jobs.drift") == [sys.executable, "--job", "taskclf_tray.jobs.drift"]
    assert "pipx install 'taskclf-tray[parquet]'" in job_entry.install_step("pyarrow")
    for words in (["--job", "tests.support.reaching_job", "{}"], ["--job"]):
        monkeypatch.setattr(sys, "argv", ["taskclf-tray", *words])
        with pytest.raises(SystemExit, match="2"):
            job_entry.start_bundled()


def _called(path: Path) -> set[str]:
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}
