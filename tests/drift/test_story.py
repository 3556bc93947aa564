"""What is news of a drift, when it has gone, and its words."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from taskclf_tray.drift.memory import DriftMemory, Told, take_in
from taskclf_tray.drift.story import Story, StoryKind, stories_of, words
from tests.support.drift_home import DAY, FRIDAY, LAST, THURSDAY, alert, report

AT = datetime(2026, 3, 19, 12, tzinfo=UTC)


def story(kind: StoryKind, subject: str = "", since: date | None = FRIDAY) -> Story:
    return Story(kind, subject, since, 0.1, 0.5, {})


class Days:
    """Day after day, and what was told on each."""

    def __init__(self) -> None:
        self.memory, self.day = DriftMemory(), LAST

    def find(self, *stories: Story, lacking: str | None = None) -> str | None:
        self.memory, news = take_in(self.memory, stories, self.day, AT, lacking)
        if news is not None:
            self.memory = self.memory.noting(Told(AT, self.day, news.key, "title", "body"))
        self.day += DAY
        return None if news is None else news.key


def test_what_is_found_together_is_one_drift() -> None:
    days = Days()
    assert days.find(story("new_app", "a"), story("classes"), story("habits")) == "new_app:a"
    assert days.find(story("classes"), story("habits")) is None
    assert days.find(story("new_app", "a"), story("rejects"), story("unsure")) is None  # came late, began with it
    assert days.find(story("new_app", "b")) is None
    assert days.find(story("new_app", "c", since=LAST + DAY)) == "new_app:c"  # began after what was told
    assert days.find(story("no_input")) == "no_input"  # another cause
    assert days.find(story("no_input")) is None


def test_a_drift_is_told_again_only_after_it_had_gone() -> None:
    days = Days()
    assert days.find(story("habits")) == "habits"
    for _ in range(6):
        assert days.find() is None
    assert days.find(story("habits")) is None
    for _ in range(7):
        assert days.find() is None
    assert days.find(story("habits")) == "habits"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_found_nothing_is_told_again_before_a_week_without_it(seed: int) -> None:
    dice, days = random.Random(seed), Days()
    kinds: tuple[StoryKind, ...] = ("no_input", "new_app", "classes", "habits", "unsure")
    found: dict[str, date] = {}
    for _ in range(120):
        day = days.day
        stories = [
            story(kind, dice.choice("ab"), day - dice.randrange(7) * DAY) for kind in kinds if dice.random() < 0.08
        ]
        told = days.find(*stories)
        assert told is None or told not in found or day - found[told] > timedelta(days=7)
        assert told is not None or not stories or any(day - seen <= timedelta(days=7) for seen in found.values())
        found |= {one.key: day for one in stories}


def test_days_without_data_let_nothing_go() -> None:
    days = Days()
    assert days.find(story("habits")) == "habits"
    for _ in range(20):
        assert days.find(lacking="too little") is None
    assert days.memory.too_little_data == "too little"
    assert days.find(story("habits")) is None
    assert days.memory.too_little_data is None


def test_the_words_of_each_story() -> None:
    def said(
        trigger: str, feature: str, value: str = "", *, names_apps: bool = True, since: date | None = FRIDAY, before=0.1
    ) -> str:
        shares = {"reference_share": before, "current_share": 0.5, "reference_rate": before, "current_rate": 0.5}
        found = alert(trigger, feature, value=value, **shares)
        (told,) = stories_of(report([{**found, "since": None if since is None else since.isoformat()}]))
        return words(told, THURSDAY, names_apps=names_apps)

    app = ("category_shift", "app_id")
    assert said(*app, "org.mozilla.firefox") == "You have used Firefox much more since Friday."
    assert said(*app, "org.mozilla.firefox", names_apps=False) == "You have used one app much more since Friday."
    assert said(*app, "unknown.my\u202etool", before=0.0) == (
        "You have used Mytool a lot since Friday. The model has not seen it before."
    )
    assert said(*app, "unknown.???", before=0.0) == (
        "You have used an app a lot since Friday that the model has not seen before."
    )
    assert said("class_shift", "Meet") == "Meet has been 50 % of your time since Friday; before, it was 10 %."
    assert "has not known what you do 50 % of the time" in said("reject_rate_increase", "is_rejected")
    assert said("entropy_spike", "entropy", since=None) == "The model has been much less sure of what you do lately."
    assert said("missingness", "keys_per_min", since=THURSDAY - timedelta(days=7)) == (
        "There has been no keyboard or mouse data since 12 March: is the input watcher running?"
    )
    assert said("feature_psi", "keys_per_min") == "How much you type has changed since Friday."


def test_alerts_become_stories() -> None:
    new = {"value": "com.figma.Desktop", "reference_share": 0.0, "current_share": 0.4}
    less = {"value": "com.figma.Desktop", "reference_share": 0.5, "current_share": 0.1}
    alerts = [
        alert("feature_psi", "keys_per_min"),
        alert("feature_ks", "clicks_per_min"),
        alert("category_shift", "app_category", **new),
        alert("category_shift", "app_id", **new),
        alert("category_shift", "app_id", **less),
        alert("class_shift", "Meet", reference_share=0.1, current_share=0.5),
        alert("reject_rate_increase", "is_rejected", reference_rate=0.1, current_rate=0.5),
        alert("entropy_spike", "entropy", reference_bits=0.1, current_bits=0.5),
        alert("missingness", "keys_per_min", reference_share=0.0, current_share=1.0),
        alert("missingness", "mouse_distance", reference_share=1.0, current_share=0.0),
        alert("missingness", "title_char_count", reference_share=0.0, current_share=1.0),
    ]
    found = stories_of(report(alerts))
    assert [s.key for s in found] == [
        "no_input", "new_app:com.figma.Desktop", "rejects", "classes", "app_shift", "unsure", "habits", "data",
        "input_back",
    ]  # fmt: skip
    assert found[2].after == found[3].after == 0.5
    assert found[3].subject == "Meet"
    assert [s.key for s in stories_of(report(alerts[2:3]))] == ["category"]  # no one program is behind it


def test_what_is_so_in_the_whole_window_may_have_begun_before_it() -> None:
    day, earlier = FRIDAY.isoformat(), (FRIDAY - DAY).isoformat()
    assert [s.is_begin_seen for s in stories_of(report([alert("feature_psi", "is_editor")], earlier))] == [True]
    (whole,) = stories_of(report([alert("feature_psi", "is_editor")], day))
    assert not whole.is_begin_seen
    days = Days()
    days.memory = DriftMemory(
        told=(Told(AT, FRIDAY - 2 * DAY, "no_input", "title", "body"),), last_seen={"no_input": LAST}
    )
    assert days.find(whole) is None
