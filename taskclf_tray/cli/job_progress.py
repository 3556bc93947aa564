"""A job run for a command, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from taskclf_tray.jobs.child import ProgressBar, run_child
from taskclf_tray.system.console import complain


def run_with_bar(
    module: str, request: Mapping[str, Any], *, is_debug: bool, on_step: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Run the job, show its progress and print its warnings to standard error; returns the facts of its outcome.

    Args:
        module: the module of the job.
        request: its request.
        is_debug: whether the job's own standard error is shown.
        on_step: called with the sentence of each step, after the bar is cleared; None shows no steps.

    Raises:
        JobError: the job failed or its process died.
    """
    bar = ProgressBar()

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            bar.show(event["done"], event["total"])
        elif event["event"] == "warning":
            bar.clear()
            complain(f"taskclf-tray: {event['text']}")
        elif event["event"] == "step" and on_step is not None:
            bar.clear()
            on_step(event["text"])

    try:
        answer = run_child(module, request, on_event, is_debug=is_debug)
    finally:
        bar.clear()
    return {key: value for key, value in answer.items() if key != "event"}
