"""How well the app would have known people: `python -m tests.bench.bench_replay [--document PAGE]`.

`taskclf-tray train replay` lives through eight working days of two simulated people, whose labels are what they really
did: with all labels of earlier days, and with the answers to four questions a day. `--input EXPORT --labels CSV` adds a
real person, whose data stays where it is. Prints JSON; `--document` writes a table into a page, between
`<!-- replay -->` and `<!-- end -->`. `--reuse` takes the figures that stand in `--out` already.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from starter_rows import FIRST_MONDAY, WATCHED
from taskclf_tray.adapters.base import Stream
from taskclf_tray.core.time import from_us
from taskclf_tray.core.types import LabelSpan
from taskclf_tray.labels.csv_files import write_label_csv
from taskclf_tray.simulation.person import SimulatedPerson

PEOPLE: Final = (("developer", 9301, "everything"), ("student", 9302, "windows"))
OUT: Final = Path(__file__).parents[2] / ".artefacts" / "replay"
WORKING_DAYS: Final = 8
MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "all labels": ("--all-labels",),
    "four answers a day": ("--answers-per-day", "4"),
}
COLUMNS: Final[Mapping[str, str]] = {
    "accuracy, model alone": "accuracy_raw", "as shown": "accuracy_live", "after smoothing": "accuracy",
    "macro-F1, model alone": "macro_f1_raw", "ECE": "ece", "surest 20 %": "surest_20", "surest 60 %": "surest_60",
    "surest 80 %": "surest_80", "kept, of 0.90": "kept", "coverage": "coverage", "flaps, after smoothing": "flaps",
}  # fmt: skip
_NAMES: Final = {
    Stream.WINDOW: "aw-watcher-window", Stream.AWAY: "aw-watcher-afk", Stream.INPUT: "aw-watcher-input",
    Stream.TAB: "aw-watcher-web-firefox",
}  # fmt: skip
_BLOCK: Final = re.compile(r"(<!-- replay -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Material:
    """One person's export and labels."""

    name: str
    export: Path
    labels: Path
    time_zone: str


def simulated(persona: str, seed: int, watched: str, folder: Path) -> Material:
    """Write the export and the true labels of one simulated person's first working days."""
    folder.mkdir(parents=True, exist_ok=True)
    person = SimulatedPerson(persona, seed)
    buckets: dict[str, Any] = {}
    labels: list[LabelSpan] = []
    day = FIRST_MONDAY
    for _ in range(WORKING_DAYS):
        start, end = person.working_day(day)
        labels += person.truth(start, end)
        for stream, events in person.raw_events(start, end).items():
            if stream in WATCHED[watched]:
                name = f"{_NAMES[stream]}_{person.persona.name}"
                bucket = {"type": stream.value, "client": _NAMES[stream], "hostname": person.persona.name, "events": []}
                buckets.setdefault(name, {"id": name, **bucket})["events"] += [
                    {
                        "timestamp": from_us(event.start_us).isoformat(),
                        "duration": event.duration_us / 1e6,
                        "data": dict(event.data),
                    }
                    for event in events
                ]
        day = start.date() + timedelta(days=1)
    for bucket in buckets.values():
        bucket["events"].reverse()  # as ActivityWatch writes them
    (folder / "export.json").write_text(json.dumps({"buckets": buckets}), encoding="utf-8")
    write_label_csv(folder / "labels.csv", labels)
    return Material(f"{persona}, {watched}", folder / "export.json", folder / "labels.csv", person.time_zone)


def figures(material: Material, options: Sequence[str], out: Path, *, is_reused: bool = False) -> dict[str, Any]:
    """The figures of one replay, with the seconds it took."""
    place = out / "seconds.json"
    if not (is_reused and place.exists()):
        began = time.monotonic()
        command = [sys.executable, "-m", "taskclf_tray", "train", "replay", "--home", str(out / "home")]
        files = ["--input", str(material.export), "--labels", str(material.labels), "--out-dir", str(out)]
        subprocess.run(
            [*command, *files, *options], check=True, stdout=sys.stderr, env={**os.environ, "TZ": material.time_zone}
        )
        place.write_text(json.dumps(round(time.monotonic() - began)))
    found: dict[str, Any] = json.loads((out / "replay.json").read_text())
    return found | {"seconds": json.loads(place.read_text())}


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each replay; the accuracy of the model alone with its 95 % interval by days."""
    lines = [f"| | {' | '.join(COLUMNS)} |", f"|---{'|---' * len(COLUMNS)}|"]
    for name, facts in rows.items():
        cells = [_number(facts[key]) for key in COLUMNS.values()]
        bounds = facts["intervals_95"]["accuracy_raw"]
        cells[0] += f" ({bounds[0]:.2f}–{bounds[1]:.2f})"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    """The figures as JSON."""
    parser = argparse.ArgumentParser(description="How well the app would have known people.")
    parser.add_argument("--out", type=Path, default=OUT, help="where exports and results go")
    parser.add_argument("--reuse", action="store_true", help="take figures that were made before")
    parser.add_argument("--input", type=Path, help="the export of a real person")
    parser.add_argument("--labels", type=Path, help="the labels of a real person")
    parser.add_argument("--zone", default="UTC", help="the time zone of a real person (default: UTC)")
    parser.add_argument("--document", type=Path, help="the page whose table is written")
    chosen = parser.parse_args()
    people = [simulated(*who, chosen.out / who[0]) for who in PEOPLE]
    if chosen.input is not None:
        people.insert(0, Material("a real half month", chosen.input, chosen.labels, chosen.zone))
    rows = {}
    for person in people:
        for mode, options in MODES.items():
            name = f"{person.name}: {mode}"
            folder = chosen.out / re.sub("[^a-z]+", "-", name.lower())
            rows[name] = figures(person, options, folder, is_reused=chosen.reuse)
    if chosen.document is not None:
        page = chosen.document.read_text(encoding="utf-8")
        filled = _BLOCK.sub(lambda found: f"{found[1]}\n{table(rows)}\n\n{found[2]}", page)
        chosen.document.write_text(filled, encoding="utf-8")
    wanted = {*COLUMNS.values(), "seconds"}
    print(
        json.dumps(
            {name: {key: facts[key] for key in facts if key in wanted} for name, facts in rows.items()}, indent=2
        )
    )


if __name__ == "__main__":
    main()
