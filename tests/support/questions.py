"""Questions to a worker whose model is in doubt."""

from __future__ import annotations

from collections.abc import Callable

from taskclf_tray.app.questions import ASK_TAG, label_of_key
from taskclf_tray.app.serving import Overrides
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.labels.asking_state import load_asking
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.notify.base import Notice
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import AskRecord, LabelRequest
from tests.support.worker_home import USER
from tests.support.worker_rig import Rig, until

DOUBTFUL = Overrides(reject_threshold=0.999)  # every minute is doubtful, so every block is asked about


class Stored:
    """The database as another process sees it."""

    def __init__(self, rig: Rig) -> None:
        database = Database(rig.paths.database, read_only=True)
        try:
            self.requests: list[LabelRequest] = database.requests.all(USER)
            self.asks: list[AskRecord] = database.asks.since(USER, 0)
            self.spans = list(LabelStore(database, USER).everything())
            self.asking = load_asking(database, USER)
        finally:
            database.close()

    def request(self, notice: Notice) -> LabelRequest:
        assert notice.tag is not None
        return next(r for r in self.requests if r.request_id == notice.tag.removeprefix(ASK_TAG))


def live_on(rig: Rig, runtime: TrayRuntime, until_this: Callable[[], object], *, minutes: int = 120) -> None:
    """Let simulated minutes pass, a poll or two for every two of them, until something holds."""
    for _ in range(minutes // 2):
        if until_this():
            return
        rig.clock.advance(120)
        polls = len(rig.source.asked)
        until(lambda seen=polls: len(rig.source.asked) > seen + 1, "a poll")
    assert until_this(), f"not within {minutes} minutes"


def question(rig: Rig, runtime: TrayRuntime) -> Notice:
    live_on(rig, runtime, rig.notifier.questions)
    return rig.notifier.questions()[0]


def label_key(notice: Notice) -> str:
    return next(button.key for button in notice.buttons if label_of_key(button.key))
