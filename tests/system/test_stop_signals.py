"""Ctrl-C and SIGTERM from the first instruction: during imports, between parent and child, in the running app."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import taskclf_tray
from taskclf_tray.cli import main as command_line
from taskclf_tray.jobs import child as child_job
from taskclf_tray.jobs.child import ChildJob, JobStoppedError, run_child
from taskclf_tray.system.stop_request import StopRequest
from taskclf_tray.system.stop_signals import STOP_SIGNALS, AtOnce, Held, Unwinding
from tests.support.held_imports import HeldImport
from tests.support.processes import ROOT, is_over, wait_until

PACKAGE = Path(taskclf_tray.__file__).parent
JOBS = ["batch", "drift", "labels", "retrain", "train"]
FAKES = "tests.support.jobs"
SCRIPT = "import sys; from taskclf_tray.__main__ import main; sys.exit(main())"
ENTRIES = {
    "python -m": (["-m", "taskclf_tray", "doctor"], "argparse"),
    "script": (["-c", SCRIPT, "doctor"], "argparse"),
    "cli.main": (["-m", "taskclf_tray.cli.main", "doctor"], "argparse"),
    "command": (["-m", "taskclf_tray", "doctor"], "taskclf_tray.app.doctor"),
    **{job: (["-m", f"taskclf_tray.jobs.{job}", "{}"], "taskclf_tray.core.errors") for job in JOBS},
}
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@contextlib.contextmanager
def held(folder: Path, module: str) -> Iterator[HeldImport]:
    holder = HeldImport(folder, module)
    try:
        yield holder
    finally:
        holder.close()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """(exit code, standard output, standard error)."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


# -- the first instruction ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_signal_during_an_import_ends_every_process_without_a_word(
    entry: str, number: signal.Signals, tmp_path: Path
) -> None:
    words, module = ENTRIES[entry]
    with held(tmp_path, module) as holder:
        process = holder.start([sys.executable, *words])
        assert holder.wait() == process.pid
        process.send_signal(number)
        assert ended(process) == (CODES[number], b"", b"")


def test_a_signal_that_was_ignored_at_the_start_is_handled(tmp_path: Path) -> None:
    """`command &` in a script starts it with Ctrl-C ignored."""
    with held(tmp_path, "argparse") as holder:
        process = holder.start(["/bin/sh", "-c", 'trap "" INT; exec "$0" -m taskclf_tray', sys.executable])
        os.kill(holder.wait(), signal.SIGINT)
        assert ended(process) == (130, b"", b"")


def test_every_script_begins_with_the_handlers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    scripts = {**project["scripts"], **project["gui-scripts"]}
    assert {target.partition(":")[0] for target in scripts.values()} == {"taskclf_tray.__main__"}


@pytest.mark.parametrize("job", JOBS)
def test_every_job_begins_with_the_handlers(job: str) -> None:
    """The first statement after the docstring and `from __future__` starts the job when the module is the process."""
    module = ast.parse((PACKAGE / "jobs" / f"{job}.py").read_text(encoding="utf-8"))
    _docstring, _future, first, *_ = module.body
    assert isinstance(first, ast.If)
    assert ast.unparse(first.test) == "__name__ == '__main__'"
    assert ast.unparse(first.body[-1]) == f"start('taskclf_tray.jobs.{job}')"


# -- a command at work ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "code"), [("exec", 129), ("exec nohup", -signal.SIGKILL)])
def test_a_closed_terminal_ends_a_process_unless_nohup_started_it(start: str, code: int, tmp_path: Path) -> None:
    with held(tmp_path, "argparse") as holder:
        process = holder.start(["/bin/sh", "-c", f'{start} "$0" -m taskclf_tray', sys.executable])
        os.kill(holder.wait(), signal.SIGHUP)
        if code < 0:
            time.sleep(0.2)
            assert process.poll() is None
            process.kill()
        assert ended(process)[0] == code


@pytest.mark.parametrize("number", [*CODES, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_during_a_command_runs_what_cleans_up(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def handle(_options: Any) -> int:
        try:
            signal.raise_signal(number)
        finally:
            seen.append("cleaned up")
        return 0

    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    monkeypatch.setattr("taskclf_tray.cli.doctor.handle", handle)
    try:
        code = command_line.main(["doctor"])
    except SystemExit as end:
        code = int(str(end.code))
    assert (code, seen) == (CODES.get(number, 129), ["cleaned up"])
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_held_signals_come_afterwards() -> None:
    seen: list[str] = []

    def hold() -> None:
        with Unwinding(), Held():
            signal.raise_signal(signal.SIGINT)
            seen.append("still here")

    with pytest.raises(KeyboardInterrupt):
        hold()
    assert seen == ["still here"]


# -- parent and child -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "code"), [("ctrl-c", 130), ("child alone", 130), ("parent alone", 143), ("killed", -9)]
)
def test_parent_and_child_end_together_while_the_child_imports(way: str, code: int, tmp_path: Path) -> None:
    with held(tmp_path, "taskclf_tray.train.train_actions") as holder:
        command = [sys.executable, "-m", "taskclf_tray", "train", "evaluate", "--home", str(tmp_path / "home")]
        process = holder.start(command)
        child = holder.wait()
        assert child != process.pid
        if way == "ctrl-c":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        elif way == "child alone":
            os.kill(child, signal.SIGINT)
        else:
            process.send_signal(signal.SIGTERM if way == "parent alone" else signal.SIGKILL)
        assert ended(process) == (code, b"", b"")
        wait_until(lambda: is_over(child), "the end of the child", 60)


def test_a_signal_while_the_child_is_started_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)  # before anybody has noted the process

    monkeypatch.setattr(child_job.subprocess, "Popen", Interrupted)
    with Unwinding(), pytest.raises(KeyboardInterrupt):
        run_child(FAKES, {"way": "slow"}, lambda _event: None)
    assert started[0].poll() is not None


def test_a_job_that_a_signal_ended_was_stopped_and_did_not_fail() -> None:
    def interrupt(event: dict[str, Any]) -> None:
        os.kill(event["pid"], signal.SIGTERM)

    with pytest.raises(JobStoppedError, match=r"The work was stopped\.") as stopped:
        ChildJob(FAKES, {"way": "slow"}).run(interrupt)
    assert stopped.value.signal_number == signal.SIGTERM


def test_a_job_whose_parent_is_gone_ends_without_a_word() -> None:
    """It notices the end of standard input, or else a line that nobody can read any more."""
    command = [sys.executable, "-m", "tests.support.jobs", '{"way": "served"}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(120) == 143


# -- the running app ------------------------------------------------------------------------------------------


def test_a_request_is_noted_before_anybody_waits() -> None:
    seen: list[str] = []
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with StopRequest() as stop:
        assert not stop.wait(0.0)
        stop.on_stop = lambda: seen.append("told")
        signal.raise_signal(signal.SIGTERM)
        assert (stop.is_set, stop.wait(60.0), stop.wait(60.0)) == (True, True, True)
    assert seen == ["told"]
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_a_signal_while_the_app_starts_ends_it_in_order(tmp_path: Path) -> None:
    with held(tmp_path, "taskclf_tray.ui.tray") as holder:
        home = tmp_path / "home"
        process = holder.start([sys.executable, "-m", "taskclf_tray", "demo", "--home", str(home)])
        holder.wait()
        process.send_signal(signal.SIGTERM)
        holder.go_on()
        code, _out, err = ended(process)
    assert (code, b"Traceback" in err) == (0, False)


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_one_long_call_of_c_code_is_ended_at_once(number: signal.Signals) -> None:
    """A handler would run when the call has returned."""
    script = (
        "from taskclf_tray.system.stop_signals import AtOnce, end_at_once\n"
        "end_at_once()\n"
        "with AtOnce():\n    print(flush=True)\n    sum(range(10**15))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    assert ended(process)[0] == -number


def test_afterwards_the_handlers_are_those_of_before() -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with AtOnce():
        assert {signal.getsignal(number) for number in STOP_SIGNALS} == {signal.SIG_DFL}
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before
