"""The live status for other programs: a small file in the home that the running app replaces at each change.

It holds what the icon shows (label, probability, state, sentence): no app, no title, no address. `StatusFile` in
`status.py` writes it and removes it when the app ends; the instance lock says whether a file that is still there speaks
of a running app.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from taskclf_tray.core.regular_files import Links, read_regular
from taskclf_tray.system.lock import is_running
from taskclf_tray.system.paths import HomePaths

STOPPED: Final = "stopped"
"""The state while no app runs for the home."""
_MAX_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What the app shows at this moment.

    Attributes:
        state: a state of the icon, `starting` or `stopped`.
        line: the status sentence.
        text: the label in one or two words, for a panel: `Build`, `Build?`, `Away`.
        ui_label: the category shown; None where there is none.
        core_label: the core label behind it.
        confidence: its calibrated probability, 0 to 1; None for the person's own label.
        since: when the label began, ISO 8601 in UTC.
        color: the colour of the category, `#RRGGBB`; None where it has none of its own.
        is_own_label: the person said so.
        is_private: private mode is on.
        review_count: how many blocks wait for an answer.
        simulated: the activity is a simulated person's.
    """

    state: str
    line: str
    text: str
    ui_label: str | None = None
    core_label: str | None = None
    confidence: float | None = None
    since: str | None = None
    color: str | None = None
    is_own_label: bool = False
    is_private: bool = False
    review_count: int = 0
    simulated: bool = False

    @property
    def percent(self) -> int:
        """The probability in percent: 100 for the person's own label, 0 where no label is shown."""
        return 100 if self.is_own_label else round(100 * (self.confidence or 0.0))


NOT_RUNNING: Final = LiveStatus(STOPPED, "taskclf-tray is not running.", "Not running")
STARTS: Final = LiveStatus("starting", "taskclf-tray is starting.", "Starting")


def read_status(paths: HomePaths) -> LiveStatus:
    """Read the status of the app that runs for the home; `NOT_RUNNING` where none does."""
    if not is_running(paths.home):
        return NOT_RUNNING
    try:
        facts = json.loads(read_regular(paths.status, _MAX_BYTES, Links.NONE))
        return LiveStatus(**facts)
    except (OSError, ValueError, TypeError):  # not written yet, or by another version
        return STARTS
