"""CI is the README's test command, passes its verdict on, and takes nothing that did not run for success."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest, short_tracing

ROOT = Path(__file__).resolve().parents[2]
STAYING_OUT = {
    "test_skip": "import pytest\ndef test_it():\n    pytest.skip('no desktop')\n",
    "test_mark": "import pytest\n@pytest.mark.skipif(True, reason='no desktop')\ndef test_it():\n    pass\n",
    "test_file": "import pytest\npytest.skip('no desktop', allow_module_level=True)\n",
    "test_import": "import pytest\npytest.importorskip('no_such_desktop')\n",
    "test_xfail": "import pytest\n@pytest.mark.xfail(reason='no desktop')\ndef test_it():\n    assert False\n",
}


@pytest.mark.parametrize("status", [0, 2])
def test_ci_runs_the_test_command_of_the_readme_and_ends_as_it_does(status: int, tmp_path: Path) -> None:
    (command,) = re.findall(r"^    (make test)\b", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "make").write_text(f'#!/bin/sh\necho "make $*"; pwd; cat; exit {status}\n')
    (programs / "make").chmod(0o755)
    search = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", ".ci/run"],
        cwd=tmp_path,
        env={**os.environ, "PATH": search},
        input="not for the tests",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert done.stdout.splitlines()[:2] == [command, str(tmp_path)]
    assert done.stdout.splitlines()[2].startswith("make test took ")
    assert len(done.stdout.splitlines()) == 3
    assert (tmp_path / ".artefacts" / "ci.log").read_text().splitlines() == done.stdout.splitlines()[:2]


def test_what_stays_out_fails_the_run(tmp_path: Path) -> None:
    for name, text in STAYING_OUT.items():
        (tmp_path / f"{name}.py").write_text(text)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", os.devnull, "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"^=+ 2 failed, 3 errors in ", done.stdout, re.MULTILINE), done.stdout
    assert len(re.findall("(?:skip|xfail) is a failure in this project: ", done.stdout)) >= 5


@pytest.mark.parametrize("missing", [*conftest.PROGRAMS, "aw-server"])
def test_a_run_without_desktop_or_server_ends_at_once(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest.shutil, "which", lambda program: None if program == missing else f"/bin/{program}")
    there = tmp_path / ".venv-aw" / "bin" / "python"
    if missing != "aw-server":
        there.parent.mkdir(parents=True)
        there.touch()
    monkeypatch.setattr(conftest, "AW_SERVER_PYTHON", there)
    session = SimpleNamespace(config=SimpleNamespace(args_source=pytest.Config.ArgsSource.TESTPATHS))
    with pytest.raises(pytest.exit.Exception, match=f"The tests need {missing}.*make setup-test") as ended:
        conftest.pytest_sessionstart(session)  # type: ignore[arg-type]
    assert ended.value.returncode == 3


def test_coverage_traces_the_first_moments_of_a_test_only() -> None:
    """In a worker too, where pytest-cov begins to measure twice."""
    ends = time.process_time() + 2 * short_tracing.TRACED_SECONDS
    while time.process_time() < ends:
        pass
    assert sys.gettrace() is None


@pytest.mark.parametrize("case", [1, 2])
def test_coverage_traces_the_first_case_of_a_test_only(case: int) -> None:
    assert case == 1 or sys.gettrace() is None
