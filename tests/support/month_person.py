"""A simulated person in front of the app: answers what is asked by what they really did, with buttons and menu."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from taskclf_tray.app import text
from taskclf_tray.core.intervals import subtract
from taskclf_tray.core.time import from_us, to_us, zone
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.store.requests import LabelRequest
from tests.support.month_life import ZONE, MovedHome
from tests.support.processes import wait_until
from tests.support.sni_driver import Entry, TrayClient
from tests.support.stub_notifyd import NotifyDaemon, ShownNotice


@dataclass(slots=True)
class Answerer:
    """Who sits there. `by_notice`, `in_menu`: the entries of the queue that they gave a label to."""

    person: SimulatedPerson
    home: MovedHome
    screen: NotifyDaemon
    tray: TrayClient
    by_notice: list[str] = field(default_factory=list)
    in_menu: list[str] = field(default_factory=list)
    _seen: int = 0

    def did(self, start_us: int, end_us: int) -> str | None:
        """What they did for most of this time; None when it was not work."""
        seconds: Counter[str] = Counter()
        for span in self.person.truth(from_us(start_us), from_us(end_us)):
            seconds[span.label] += round((span.end_ts - span.start_ts).total_seconds())
        return seconds.most_common(1)[0][0] if seconds else None

    def look(self) -> bool:
        """Answer what has come up on the screen since the last look, if the answer is among the buttons."""
        notices = self.screen.notices()
        fresh, self._seen = notices[self._seen :], len(notices)
        questions = [notice for notice in fresh if any(key.startswith("label_") for key in notice.actions)]
        for notice in questions:
            self._answer(notice)
        return bool(questions)

    def review(self, most: int) -> None:
        """Answer some of the blocks that wait, the newest first."""
        waiting = [r for r in self.home.requests() if r.status == "pending" and r.reason != "gap"]
        for request in sorted(waiting, key=lambda r: r.start_us, reverse=True)[:most]:
            label = self.did(request.start_us, request.end_us)
            assert label is not None
            self._click_in_review(request, label)
            self._closed(request.request_id)
            self.in_menu.append(request.request_id)

    def _answer(self, notice: ShownNotice) -> None:
        asked = self.home.asks()[-1].request_id
        request = next(r for r in self.home.requests() if r.request_id == asked)
        label = self.did(request.start_us, request.end_us)
        key = f"label_{LABEL_SET_V1.index(label)}" if label is not None else ""
        if key in notice.actions:
            self.screen.press(notice.id, key)
            self._closed(asked)
            self.by_notice.append(asked)
        else:
            self.screen.press(notice.id, "other")  # it goes on waiting in the menu

    def _click_in_review(self, request: LabelRequest, label: str) -> None:
        """As a person does who has the menu open: what is clicked is the entry that was drawn."""
        start, end = (from_us(us).astimezone(zone(ZONE)) for us in (request.start_us, request.end_us))
        times = f"{start:%d %b} {start:%H:%M}–{end:%H:%M}"

        def drawn() -> Entry | None:
            entries = (entry for _, entry in self.tray.menu().walk())
            return next((entry for entry in entries if entry.label.startswith(times)), None)

        block = wait_until(drawn, f"{times} under Review")
        assert block is not None
        self.tray.click_id(block.find(text.review_yes(label) if label == request.predicted_label else label).id)

    def _closed(self, request_id: str) -> None:
        def is_closed() -> bool:
            return any(r.request_id == request_id and r.status == "labeled" for r in self.home.requests())

        self.home.wait(is_closed, "the answer")


def by_hand(person: SimulatedPerson, times: Sequence[tuple[datetime, datetime]], home: MovedHome) -> list[LabelSpan]:
    """What somebody would write down of these times: all that they did, but for what they said already."""
    said = [(span.start_us, span.end_us) for span in home.spans()]
    return [
        LabelSpan(from_us(start_us), from_us(end_us), span.label, "import")
        for start, end in times
        for span in person.truth(start, end)
        for start_us, end_us in subtract([(to_us(span.start_ts), to_us(span.end_ts))], said)
    ]
