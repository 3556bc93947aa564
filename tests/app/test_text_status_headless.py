"""The sentences a person reads, the snapshot behind them, and how the terminal shows them."""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from taskclf_tray.app import record_text, served_text, text
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.app.status import shown_core_label, snapshot_of
from taskclf_tray.core.errors import AWConnectionError, StoreError
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig
from taskclf_tray.labels.current import current_block
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.ui.headless import JsonLines, StatusLine
from tests.support.predictions import PROBS, prediction
from tests.support.worker_rig import START, Rig

HOSTILE = ("\u202eevil", "two\nlines", "\x1b[31mred\x07", "x" * 65536, "\x00", "   ")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Rig(tmp_path).session()
    yield session
    session.close()


def seen(session: Session, answer: WindowPrediction | None = None, **options: object) -> Snapshot:
    step = StepResult(live=None if answer is None else LiveLabel(answer, START), is_caught_up=True)
    return snapshot_of(session, step, **{"blackouts": [], "problem": None, "banner": None, **options})  # type: ignore[arg-type]


def test_a_live_label(session: Session) -> None:
    snapshot = seen(session, prediction())
    assert snapshot.state is IconState.LIVE
    assert snapshot.line == f"Deep Work — Build 87 % since {text.clock(START)}"
    assert (snapshot.ui_label, snapshot.core_label, snapshot.probability) == ("Deep Work", "Build", 0.87)
    assert snapshot.color == "#2E86DE"
    assert snapshot.models[0].is_active
    assert snapshot.source == "held"


def test_a_doubt_an_absence_and_no_window(session: Session) -> None:
    doubt = seen(session, prediction(mapped_label_name="Mixed/Unknown"))
    assert (doubt.state, doubt.line) == (IconState.UNSURE, "Not sure — perhaps Build (87 %)")
    assert seen(session, prediction(is_rejected=True)).state is IconState.UNSURE
    away = seen(session, prediction(decided_by="idle_rule"))
    assert (away.state, away.line) == (IconState.AWAY, f"Away since {text.clock(START)}")
    assert seen(session, prediction(decided_by="no_window")).line == "No window has the focus"


def test_blackouts_go_before_everything(session: Session) -> None:
    pause = Blackout(0, None, int((START + timedelta(minutes=15)).timestamp() * 1e6), "pause")
    private = Blackout(0, None, None, "private")
    problem = StoreError("The disk is full.", "")
    paused = seen(session, prediction(), blackouts=[pause], problem=problem)
    assert (paused.state, paused.ui_label, paused.is_paused) == (IconState.PAUSED, None, True)
    assert paused.line == f"Paused until {text.clock(START + timedelta(minutes=15))}"
    both = seen(session, blackouts=[pause, private])
    assert (both.line, both.is_paused, both.is_private) == (text.PRIVATE, True, True)


def test_problems(session: Session) -> None:
    lost = seen(session, problem=AWConnectionError("Nobody answers.", "Start it."))
    assert (lost.state, lost.line) == (IconState.NO_SOURCE, "Nobody answers.")
    assert seen(session, problem=StoreError("The disk is full.")).state is IconState.ATTENTION
    session.serving.config = None
    assert seen(session).state is IconState.NO_MODEL


def test_without_fresh_data_the_newest_minute_shows_and_then_its_age(session: Session) -> None:
    assert seen(session).line == text.WAITING
    assert session.recorder is not None
    while not session.recorder.step(session.now()).is_caught_up:
        pass
    newest = session.newest()
    assert newest is not None
    recent = seen(session)
    assert (recent.ui_label, recent.since) == (newest.ui_label, newest.bucket_start_ts)
    block = current_block(session.database, session.identity.user_id, session.now())
    assert block is not None
    assert recent.block_start == block[0]  # what a label would be given to is no single minute
    session.now = lambda: START + timedelta(hours=2)  # type: ignore[method-assign]
    late = seen(session)
    assert late.state is IconState.AWAY
    assert late.line == text.quiet_line(newest.bucket_end_ts)
    assert late.line.startswith("No activity seen since Mon ")


def test_the_core_label_shown_belongs_to_the_category_shown() -> None:
    taxonomy = TaxonomyConfig(
        buckets=(
            TaxonomyBucket(name="Making", core_labels=("Build", "Debug")),
            TaxonomyBucket(name="Talking", core_labels=("Communicate", "Meet")),
        )
    )
    probs = (0.0, 0.3, 0.4, 0.28, 0.0, 0.02, 0.0, 0.0)
    answer = prediction(
        core_label_id=2, core_label_name="Communicate", core_probs=probs, confidence=0.4, mapped_label_name="Making"
    )
    assert shown_core_label(answer, taxonomy) == ("Build", 0.3)
    assert shown_core_label(answer.model_copy(update={"mapped_label_name": "Talking"}), taxonomy) == (
        "Communicate",
        0.4,
    )
    assert shown_core_label(answer.model_copy(update={"mapped_label_name": "Other"}), taxonomy) == ("Communicate", 0.4)
    smoothed = answer.model_copy(update={"mapped_label_name": "Build", "smoothed_label_name": "Build"})
    assert shown_core_label(smoothed, None) == ("Build", 0.3)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_breaks_the_line(name: str) -> None:
    line = text.live_line(name, "Build", 0.87, START)
    assert line.isprintable()
    assert len(line) < 120
    assert line.endswith(f"— Build 87 % since {text.clock(START)}")


def test_a_label_that_is_its_own_category_stands_once() -> None:
    assert text.live_line("Build", "Build", 0.874, None) == "Build 87 %"


def test_pauses() -> None:
    midnight = datetime(2026, 3, 3).astimezone()
    assert text.paused_line(midnight) == "Paused until tomorrow"
    assert text.paused_line(None) == "Paused"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (0.55, 0.6, "threshold 0.55 → 0.60"),
        (None, 0.625, "threshold none → 0.625"),
        (1.0, 0.0, "threshold 1.00 → 0.00"),
    ],
)
def test_thresholds(old: float | None, new: float | None, says: str) -> None:
    assert served_text.threshold_changed(old, new) == says


@pytest.mark.parametrize(
    ("title", "body", "line"),
    [("A title", "Its body.", "A title. Its body."), ("Nobody answers.", "Start it.", "Nobody answers. Start it."),
     ("A title", "", "A title.")],
)  # fmt: skip
def test_a_message_in_one_line_has_one_full_stop(title: str, body: str, line: str) -> None:
    assert text.as_line(title, body) == line


@pytest.mark.parametrize("module", [text, served_text, record_text])
def test_every_sentence_is_used(module: ModuleType) -> None:
    rooms = Path(inspect.getfile(module)).parents[1]
    code = "\n".join(path.read_text() for path in rooms.rglob("*.py"))
    names = [name for name in vars(module) if not name.startswith("_") and name not in ("annotations", "datetime")]
    used_inside = inspect.getsource(module)
    for name in names:
        assert f"text.{name}" in code or used_inside.count(name) > 1, name


# -- the terminal -----------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe nobody reads any more."""

    def write(self, words: str) -> int:
        raise BrokenPipeError


def snapshot(line: str, **changes: object) -> Snapshot:
    return dataclasses.replace(Snapshot(IconState.LIVE, line, "Deep Work", "Build", 0.87, START), **changes)  # type: ignore[arg-type]


def test_the_status_line_is_rewritten_in_a_terminal_and_cut_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    view = StatusLine(out)
    view.on_snapshot(snapshot("short"))
    view.on_snapshot(snapshot("short", probability=0.5))
    view.on_snapshot(snapshot("y" * 50))
    view.on_message(("Title", "Body\nof two lines."))
    view.finish()
    assert out.getvalue() == (
        "\r\x1b[K● short\r\x1b[K● " + "y" * 17 + "\r\x1b[KTitle: Body of two lines.\n\r\x1b[K● " + "y" * 17 + "\n"
    )


def test_elsewhere_there_is_a_line_per_change_and_the_banner_once() -> None:
    out = io.StringIO()
    view = StatusLine(out)
    for line in ("a", "a", "b"):
        view.on_snapshot(snapshot(line, banner="Simulated"))
    view.finish()
    assert out.getvalue() == "*** Simulated ***\na\nb\n"


def test_a_terminal_without_utf_8_loses_only_the_characters_it_lacks() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    StatusLine(out).on_snapshot(snapshot("Deep Work — Build"))
    assert raw.getvalue() == b"Deep Work - Build\n"


def test_json_lines() -> None:
    out = io.StringIO()
    view = JsonLines(out)
    view.on_snapshot(snapshot("x"))
    view.on_snapshot(snapshot("y", probability=0.5))  # no change a reader acts on
    view.on_snapshot(snapshot("z", ui_label="Déjà \u202e\ud800", state=IconState.UNSURE))
    view.on_step(StepResult(finalised=(prediction(),), revised=(prediction(is_rejected=True),)))
    view.on_message(("Title", "Body"))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["live", "live", "bucket", "revised"]
    assert lines[0] == {
        "event": "live",
        "state": "live",
        "ui_label": "Deep Work",
        "core_label": "Build",
        "confidence": 0.87,
        "since": START.isoformat(),
        "simulated": False,
    }
    assert lines[2]["core_probs"] == list(PROBS)
    assert out.getvalue().isascii()
    assert lines[2]["bucket_start_ts"] == START.astimezone(UTC).isoformat()
    assert len(lines[2]["core_probs"]) == len(LABEL_SET_V1)


@pytest.mark.parametrize("kind", [JsonLines, StatusLine])
def test_a_reader_that_is_gone_is_remembered_and_raises_nothing(kind: type[JsonLines] | type[StatusLine]) -> None:
    view = kind(Gone())
    view.on_snapshot(snapshot("x"))
    view.on_snapshot(snapshot("y", ui_label="other"))
    view.on_message(("Title", "Body"))
    assert isinstance(view.failure, BrokenPipeError)
