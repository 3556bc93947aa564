"""A record that grows, and the writer of its files."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

from taskclf_tray.core.time import from_us
from taskclf_tray.infer.batch import prediction_line
from taskclf_tray.record.outputs import OutputWriter
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support.worker_home import MORNING, USER, pipeline_config, recorded, recorder_of, simulated_source


class Desk:
    """A record that grows, and its writer."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        self.database = Database(folder / "tray.db")
        self.clock = ManualClock(MORNING + timedelta(hours=1))
        self.recorder: Recorder = recorder_of(self.database, simulated_source(self.clock), pipeline_config())
        self.writer = self.new_writer()

    def new_writer(self, out: Path | None = None) -> OutputWriter:
        return OutputWriter(self.database, USER, out or self.out)

    def write(self) -> int:
        while not self.recorder.step(self.clock.now()).is_caught_up:
            pass
        return self.writer.write(self.clock.now(), "UTC")

    def lines(self, out: Path | None = None) -> list[list[str]]:
        with ((out or self.out) / "predictions.csv").open(newline="") as file:
            return list(csv.reader(file))

    def settled(self) -> list[list[str]]:
        open_from = self.database.buckets.first_unsettled_us(USER)
        return [
            prediction_line(
                p.bucket_start_ts, p.smoothed_label_name, p.confidence, p.is_rejected, p.mapped_label_name, p.core_probs
            )
            for p in recorded(self.database)
            if open_from is None or p.bucket_start_ts < from_us(open_from)
        ]
