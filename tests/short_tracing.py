"""Coverage traces the beginning of each test function, in the first of its cases.

Traced code takes two and a half times as long (test_recorder.py: 71 s of processor time, 28 s without), and what a
test does after its first moments it has mostly done before: a quarter of a second gives 91 %. So do the other cases of
a parametrised test. Less tracing can only lower the figure, so the floor still holds.
"""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

TRACED_SECONDS = 0.06
"""Of processor time, so that a busy machine changes nothing."""


def stop_early_measurement(config: pytest.Config) -> None:
    """End the measurement that pytest-cov begins in a worker before it knows that it is one.

    It begins a second one when the session starts and saves that alone. Pausing the second resumes the first, so that
    without this everything a worker does is traced.
    """
    plugin = config.pluginmanager.get_plugin("_cov")
    if plugin is not None and plugin.cov_controller is not None:
        plugin.cov_controller.cov.stop()


@contextmanager
def measured_once(config: pytest.Config) -> Iterator[None]:
    """Measure the imports of the collection in one worker alone: they are the same in all, and take half as long so."""
    plugin = config.pluginmanager.get_plugin("_cov")
    if plugin is None or plugin.cov_controller is None or _worker(config) in ("", "gw0"):
        yield
        return
    plugin.cov_controller.pause()
    yield
    plugin.cov_controller.resume()


def _worker(config: pytest.Config) -> str:
    return str(getattr(config, "workerinput", {}).get("workerid", ""))


class ShortTracing:
    """Pauses the measurement when a test has used its time, and resumes it after it; `controller` is pytest-cov's."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._function = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Around set-up, call and tear-down."""
        before, self._function = self._function, item.nodeid.partition("[")[0]
        if self._function == before:
            self._pause()
            return (yield)
        with self.limited():
            return (yield)

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Measure what happens inside, for so long."""
        self._resume()
        before = signal.signal(signal.SIGVTALRM, lambda _signal, _frame: self._pause())
        left, _ = signal.setitimer(signal.ITIMER_VIRTUAL, TRACED_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, left)
            signal.signal(signal.SIGVTALRM, before)
            self._pause()

    def _pause(self) -> None:
        if self._controller.started:
            self._controller.started = False
            self._controller.cov.stop()

    def _resume(self) -> None:
        if not self._controller.started:
            self._controller.resume()
