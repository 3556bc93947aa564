"""What goes along with a session beside its record: labels, questions, the look for a drift, and learning."""

from __future__ import annotations

from taskclf_tray.app.asking import Asker
from taskclf_tray.app.commands import LearningCommand
from taskclf_tray.app.drift_watch import DriftWatch
from taskclf_tray.app.label_writer import DeskSurroundings, LabelCommands, LabelWriter
from taskclf_tray.app.publisher import Publisher
from taskclf_tray.app.retraining import LearningWatch
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import LearningView
from taskclf_tray.app.stream_watch import StreamWatch
from taskclf_tray.app.text import Message
from taskclf_tray.labels.queue_list import QueueList
from taskclf_tray.record.recorder import StepResult


class SessionServices:
    """Opened after a session, closed before it; every method runs in the worker's thread. Raises StoreError."""

    def __init__(self, session: Session, publisher: Publisher, said: LabelCommands) -> None:
        self._session = session
        self._asker = Asker(session, publisher)
        self._drift = DriftWatch(session, publisher)
        self._streams = StreamWatch(session.database, publisher.tell)
        self._learning = LearningWatch(session, publisher)
        self._list: QueueList | None = None
        if session.overrides.has_queue_list:
            session.paths.tool_queue.parent.mkdir(parents=True, exist_ok=True)
            self._list = QueueList(session.paths.tool_queue, session.database)
        around = DeskSurroundings(
            session.paths.database,
            session.identity.user_id,
            session.time_zone,
            session.taxonomy,
            publisher.tell,
            publisher.show_labels,
            session.database.is_displaced,
        )
        self._writer = LabelWriter(around, said)
        self._writer.start()

    def after_step(self, step: StepResult) -> None:
        """The person's label grows with its block, a question may come, what the source has is looked at, and once a
        day the look for a drift."""
        self._session.grow_label(step.live)
        self._streams.look(self._session.source.buckets(), self._session.now())
        self._asker.after_step(step.live, has_new_minutes=bool(step.finalised or step.revised))
        self._drift.after_step(has_new_minutes=bool(step.finalised))
        if self._list is not None:
            in_step = self._list.push if step.finalised or step.revised else self._list.pull
            in_step(self._session.time_zone())

    def tick(self, *, is_caught_up: bool) -> list[Message]:
        """About once a second: what served files and a training have to say."""
        served = self._learning.without_own(self._session.serving.check())
        return [*served, *self._learning.tick(is_caught_up=is_caught_up)]

    def labels_changed(self) -> None:
        """The label writer or another process has written."""
        self._asker.withdraw_answered()

    def resumed(self) -> None:
        """A pause or private mode has ended."""
        self._asker.resumed()

    def obey(self, command: LearningCommand) -> list[Message]:
        """A click under Prediction Model. Raises TaskclfError."""
        return self._learning.obey(command)

    def learning(self) -> LearningView:
        """What of learning the menu shows."""
        return self._learning.view()

    def close(self) -> None:
        """End what goes on; the label writer writes down what was said so far."""
        self._learning.close()
        self._drift.close()
        self._writer.stop()
        self._asker.close()
