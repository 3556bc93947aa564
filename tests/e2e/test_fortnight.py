"""A fortnight in the real app: from the starter model to one of the person's own, and back.

A real aw-server has the fortnight; the app with its tray, its notifications and its child processes lives through it,
in the time a test sets. The person works in programs nobody has heard of, answers what is asked by button and in the
menu, writes the rest down by hand, and presses Retrain now.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.app import text
from taskclf_tray.core.time import to_us, zone
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.csv_files import write_label_csv
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.system.paths import HomePaths
from tests.support.app_process import run_app
from tests.support.aw_server import run_aw_server
from tests.support.dbus import Panel
from tests.support.dbus_bus import PrivateBus
from tests.support.month_life import ZONE, MovedHome, days_from, events_of, feed, local
from tests.support.month_person import Answerer, by_hand
from tests.support.processes import PATIENCE, allowed
from tests.support.sni_driver import Entry, TrayClient
from tests.support.stub_notifyd import NotifyDaemon

pytestmark = [pytest.mark.bus, pytest.mark.server, pytest.mark.timeout(1800)]

FORTNIGHT = days_from(date(2021, 3, 1), 14)
DAY_AFTER = date(2021, 3, 15)
SWITCHED_OFF_AT = 12
"""O'clock: this is a person who works in the morning."""
WAITING_STEPS = 14
"""So many steps of five minutes a day are spent in waiting for a question."""
OWN_PROGRAMS = {"jetbrains-idea": "Nova Studio", "Gnome-terminal": "Nova Shell", "libreoffice-writer": "Nova Pages"}
LONGEST_TRAINING_SECONDS = 180.0
PROGRESS = re.compile(r"retraining (\d+) %")
STARTER = "2026-01-01_000000_run-0001"


def in_own_programs(events: Mapping[Stream, Sequence[RawEvent]]) -> dict[Stream, list[RawEvent]]:
    """The same work, in programs no model has seen."""
    windows = [
        replace(event, data={**event.data, "app": OWN_PROGRAMS.get(event.data["app"], event.data["app"])})
        for event in events[Stream.WINDOW]
    ]
    return {**{stream: list(found) for stream, found in events.items()}, Stream.WINDOW: windows}


def clickable(menu: Entry) -> list[str]:
    """The entries of a menu that are not disabled."""
    return [entry.label for entry in menu.children if entry.label and entry.properties.get("enabled", True)]


@dataclass(frozen=True, slots=True)
class Scene:
    """The person, the app's home, and the screen."""

    person: SimulatedPerson
    home: MovedHome
    screen: NotifyDaemon
    tray: TrayClient
    at_desk: Answerer

    def work(self, day: date) -> None:
        """A morning: a question perhaps, and two blocks of the queue."""
        start = self.person.day(day).truth[0].start_ts + timedelta(minutes=40)
        for step in range(WAITING_STEPS):
            self.home.move(start + timedelta(minutes=5 * step))
            if self.at_desk.look():
                break
        self.at_desk.review(2)
        self.home.move(local(day, SWITCHED_OFF_AT, 30))

    def write_down_the_rest(self, worked: Sequence[date], path: Path) -> None:
        """Label what was not asked about, with a file."""
        times = [(local(day), local(day, SWITCHED_OFF_AT)) for day in worked]
        write_label_csv(path, by_hand(self.person, times, self.home))
        code, _, errors = run_app("labels", "import", path, "--home", self.home.paths.home, time_zone=ZONE)
        assert (code, errors) == (0, "")

    # -- the menu ---------------------------------------------------------------------------------------------

    def models(self) -> Entry:
        """Prediction Model ▸, which says how far a training is."""
        entries = (entry for _, entry in self.tray.menu().walk())
        return next(entry for entry in entries if entry.label.startswith(text.MENU_MODEL))

    def active(self) -> str:
        """The model with the mark, empty while none has it."""
        lines = (entry.line() for entry in self.models().children)
        marked = next((line.removeprefix("(o) ") for line in lines if line.startswith("(o) ")), "")
        return marked.replace(" ", "_")

    def entries(self) -> list[str]:
        """What can be clicked under it."""
        return clickable(self.models())

    def click(self, entry: str) -> None:
        """Click an entry under it."""
        self.tray.click_id(self.models().find(entry).id)

    # -- the record -------------------------------------------------------------------------------------------

    def answered_by(self) -> set[str]:
        """The models of the record's answers."""
        return {prediction.model_version.partition("@")[0] for prediction in self.predictions()}

    def predictions(self) -> list[WindowPrediction]:
        """The record's answers."""
        return [WindowPrediction.of(record) for record in self.home.records()]

    def share_right(self, days: Sequence[date]) -> float:
        """How much of the minutes of work of these days is labelled as what the person did."""
        minutes = [p for p in self.predictions() if p.bucket_start_ts.astimezone(zone(ZONE)).date() in days]
        did = [self.at_desk.did(to_us(p.bucket_start_ts), to_us(p.bucket_end_ts)) for p in minutes]
        right = [p.core_label_name == label for p, label in zip(minutes, did, strict=True) if label is not None]
        return sum(right) / len(right)


@contextmanager
def fortnight(env: Mapping[str, str], screen: NotifyDaemon, folder: Path) -> Iterator[tuple[Scene, list[date]]]:
    """The app at the beginning of the fortnight, and the days on which the person works."""
    person = SimulatedPerson("developer", 1, time_zone=ZONE)
    days = {
        day: in_own_programs(events_of(person, day, local(day, SWITCHED_OFF_AT))) for day in (*FORTNIGHT, DAY_AFTER)
    }
    home = MovedHome(HomePaths(folder / "home"))
    with run_aw_server(folder / "aw") as server:
        feed(server, list(days.values()))
        # what each answer teaches is another test's: here what is served changes by the retraining alone
        home.prepare(server, local(FORTNIGHT[0], 8), personal_words="false")
        with home.running(env) as app, TrayClient(env) as tray:
            scene = Scene(person, home, screen, tray, Answerer(person, home, screen, tray))
            yield scene, [day for day in FORTNIGHT if days[day][Stream.WINDOW]]
            tray.click("Quit")
            assert app.wait(120) == 0


def own_policy(home: MovedHome) -> bytes:
    """A policy as somebody leaves it who edits by hand; what it says is what is served anyway."""
    code, _, errors = run_app("policy", "create", "--home", home.paths.home)
    assert (code, errors) == (0, "")
    values = json.loads(home.paths.policy.read_text())
    home.paths.policy.write_text(json.dumps({**values, "_help": "mine – hands off"}, indent=7, ensure_ascii=False))
    return home.paths.policy.read_bytes()


def retrain(scene: Scene) -> None:
    """Retrain now, as it is seen in the menu; the model is in use two seconds after it was put there."""
    policy, shown = scene.home.paths.policy, []
    before = policy.read_bytes()
    scene.click(text.MENU_RETRAIN)
    end = time.monotonic() + PATIENCE * LONGEST_TRAINING_SECONDS
    while policy.read_bytes() == before:
        models = scene.models()
        if found := PROGRESS.search(models.label):
            shown.append(int(found[1]))
            assert text.MENU_RETRAIN not in clickable(models)
        assert time.monotonic() < end, scene.home.log()[-2000:]
        time.sleep(0.05)
    began = time.monotonic()
    scene.home.wait(lambda: scene.active() not in ("", STARTER), "the new model")
    assert time.monotonic() - began < allowed(2.0)
    assert shown == sorted(shown)
    assert len(set(shown)) > 3


def in_order(log: str, *steps: str) -> None:
    """Every step stands in the log, each after the one before."""
    at = 0
    for step in steps:
        at = log.find(step, at)
        assert at >= 0, f"{step!r} is not in its place in\n{log}"


def test_a_fortnight_leads_to_a_model_of_ones_own_and_back(
    session_bus: PrivateBus, panel: Panel, notify_daemon: NotifyDaemon, tmp_path: Path
) -> None:
    with fortnight(session_bus.env, notify_daemon, tmp_path) as (scene, worked):
        home, last_days = scene.home, worked[-2:]
        for day in worked:
            scene.work(day)
        assert len(scene.at_desk.by_notice) >= len(worked) // 2
        assert len(scene.at_desk.in_menu) == 2 * len(worked)
        scene.write_down_the_rest(worked, tmp_path / "labels.csv")
        policy, labels, at_first = own_policy(home), home.spans(), scene.share_right(last_days)
        assert {"answer", "import"} == {span.provenance for span in labels}
        assert scene.active() == STARTER
        assert text.MENU_ROLL_BACK not in scene.entries()
        assert scene.answered_by() == {STARTER}

        retrain(scene)
        model = scene.active()
        told = notify_daemon.wait_for("A model trained on your labels is in use").body
        assert re.search(r"\b(Write|Review|Debug) is now recognised: recall 0\.\d\d → 0\.\d\d\.", told)
        assert f"{text.MENU_ROLL_BACK} undoes it" in told
        home.wait(lambda: f"The record is answered by {model}" in home.log(), "the record answered anew")
        home.move(local(DAY_AFTER, SWITCHED_OFF_AT, 30))
        assert scene.answered_by() == {model}
        assert scene.share_right(last_days) > at_first + 0.1
        assert home.spans() == labels
        scene.click(text.MENU_MODEL_STATUS)
        assert "trained on your labels" in notify_daemon.wait_for(f"Model {model}").body

        scene.click(text.MENU_ROLL_BACK)
        home.wait(lambda: scene.active() == STARTER, "the earlier model")
        assert home.paths.policy.read_bytes() == policy
        notify_daemon.wait_for("The earlier model is in use again")
        home.wait(lambda: f"The record is answered by {STARTER}" in home.log(), "the record as it was answered")
        assert scene.answered_by() == {STARTER}
        assert scene.share_right(last_days) == at_first
        assert home.spans() == labels
        assert {text.model_entry(name, None) for name in (STARTER, model)} <= set(scene.entries())
    in_order(
        home.log(),
        "Training begins",
        "Training on",
        "Judged on",
        f"serving {model}",
        "Told: A model trained on your labels is in use",
        f"The record is answered by {model}",
        f"Rolled back to {STARTER}",
        f"serving {STARTER}",
        "Told: The earlier model is in use again",
        f"The record is answered by {STARTER}",
    )
