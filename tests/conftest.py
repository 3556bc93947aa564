"""What holds for the whole run: a home of its own, nothing of the person's desktop, no test that quietly stays out."""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from taskclf_tray.system.job_entry import ONE_THREAD
from tests import run_order, short_tracing
from tests.support.forked_jobs import FORKING

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = (
    *("Xvfb", "dbus-daemon", "gnome-shell", "openbox", "strace", "sway", "waybar", "xdg-open", "xdotool"),
    "xfce4-panel",
)
AW_SERVER_PYTHON = ROOT / ".venv-aw" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
GARBAGE_THRESHOLDS = (100_000, 20, 50)
READ_AGAIN_AND_AGAIN = (
    ("taskclf_tray.infer.forest", "read_table", 8),
    ("taskclf_tray.infer.taxonomy_file", "_compose", 8),
    ("taskclf_tray.store.buckets", "unpack_row", 8192),
)
"""What parses a model, a taxonomy and a row, and how much of it is kept. Each content is parsed once in a process: that
of the golden home hundreds of times would be most of the time of the tests that open a home, and the rows of a dataset
a quarter of the trainings'. What comes of it is not changed by anybody."""
DESKTOP_VARIABLES = ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY")

BUSY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # laws are not about time
settings.register_profile("same every time", BUSY_MACHINE, derandomize=True)
settings.register_profile("explore", BUSY_MACHINE, print_blob=True)
settings.load_profile("explore" if "TASKCLF_EXPLORE" in os.environ else "same every time")

_home = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """An empty HOME, and nothing of the person's desktop, for this process and every one it starts."""
    config.stash[_home] = tempfile.TemporaryDirectory(prefix="taskclf-tests-", ignore_cleanup_errors=True)
    os.environ["HOME"] = config.stash[_home].name
    for name in [*DESKTOP_VARIABLES, *(name for name in os.environ if name.startswith("XDG_"))]:
        os.environ.pop(name, None)
    os.environ.pop("TASKCLF_HOME", None)
    os.environ["MPLCONFIGDIR"] = str(ROOT / ".artefacts" / "matplotlib")  # its list of fonts takes a second to make
    for variable in ONE_THREAD:
        os.environ.setdefault(variable, "1")
    os.environ["PYTHONPATH"] = str(ROOT)  # jobs import nothing from the current folder, so those of the tests lie there
    if hasattr(config, "workerinput"):
        short_tracing.stop_early_measurement(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The empty HOME goes away with the run."""
    if _home in config.stash:
        config.stash[_home].cleanup()


def pytest_sessionstart(session: pytest.Session) -> None:
    """A run of the whole suite needs the whole machinery; say at once what is missing of it."""
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if not AW_SERVER_PYTHON.exists():
        missing.append(f"aw-server in {AW_SERVER_PYTHON.parents[1].name}")
    if missing:
        pytest.exit(f"The tests need {', '.join(missing)}: run `make setup-test`, which installs them.", returncode=3)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Test files that import LightGBM find it loaded, as training loads it: without scikit-learn, a second of CPU."""
    with short_tracing.measured_once(session.config):
        importlib.import_module("taskclf_tray.train.lean_lightgbm")
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first."""
    run_order.sort(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What lives as long as the run is not looked through for garbage; coverage is of the beginning of each test.

    Modules and collected tests are millions of objects: to go through them again and again takes a quarter of the
    suite's processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    for module, name, kept in READ_AGAIN_AND_AGAIN:
        if module in sys.modules:
            setattr(sys.modules[module], name, lru_cache(maxsize=kept)(getattr(sys.modules[module], name)))
    coverage = session.config.pluginmanager.get_plugin("_cov")
    if coverage is not None and coverage.cov_controller is not None:
        session.config.pluginmanager.register(short_tracing.ShortTracing(coverage.cov_controller))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped or expected-to-fail test is a failure: what cannot run must be seen, not passed over."""
    report = yield
    if report.skipped:
        _fail(report, hasattr(report, "wasxfail"))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    if report.outcome == "skipped":
        _fail(report, False)
    return report


@pytest.fixture
def forked_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start jobs as forks of one process that has imported what they need."""
    monkeypatch.setattr("taskclf_tray.jobs.child.subprocess", FORKING)


@pytest.fixture(scope="module")
def undrawn_pictures() -> Iterator[None]:
    """An evaluation is written with empty pictures: to draw them takes a third of a small training."""
    names = ("reliability", "risk_coverage", "confusion")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskclf_tray.train.plots.pictures_of", lambda _evaluation: dict.fromkeys(names, b""))
        yield


def _fail(report: pytest.TestReport | pytest.CollectReport, was_expected: bool) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    if hasattr(report, "wasxfail"):
        del report.wasxfail
    report.outcome = "failed"
    report.longrepr = f"{'xfail' if was_expected else 'skip'} is a failure in this project: {reason}"
