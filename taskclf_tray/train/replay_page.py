"""A replay for a person: a page that answers “how well would it have known me?”, and its learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from taskclf_tray.train import plots

_OUTCOMES: Final = {
    "promoted": "a new model was put in use",
    "refused": "the new model was refused",
    "too_few_labels": "there were too few labels to learn from",
    "not_due": "too little was new to learn from",
}
_ROWS: Final = (
    ("right, after smoothing", "accuracy"),
    ("right, as the tray showed it", "accuracy_live"),
    ("macro-F1, after smoothing", "macro_f1"),
    ("macro-F1, as the tray showed it", "macro_f1_live"),
    ("right, the model alone", "accuracy_raw"),
    ("macro-F1, the model alone", "macro_f1_raw"),
    ("calibration error (ECE)", "ece"),
    ("right among the surest 20 %", "surest_20"),
    ("right among the surest 60 %", "surest_60"),
    ("right among the surest 80 %", "surest_80"),
    ("promised for a label that is not rejected", "promised"),
    ("kept", "kept"),
    ("coverage: minutes that are not rejected", "coverage"),
    ("changes of label a minute, after smoothing", "flaps"),
    ("changes of label a minute, as the tray showed it", "flaps_live"),
    ("changes of label a minute, the model alone", "flaps_raw"),
    ("changes of label a minute, in truth", "flaps_truth"),
)  # fmt: skip


def summary(facts: Mapping[str, Any]) -> list[str]:
    """The answer in a few sentences."""
    judged = [day for day in facts["days"][facts["from_day"] - 1 :] if day["labelled_minutes"]]
    first, last = judged[0], judged[-1]
    lines = [
        f"Its best guess would have been right about {_percent(facts['accuracy'])} of {facts['judged_minutes']:,} "
        f"labelled minutes on {_count(len(judged), 'day')}{_between(facts['intervals_95']['accuracy'])}.",
        f"The tray would have been sure enough to show the right label in {_percent(facts['accuracy_live'])} of them.",
    ]
    if len(judged) > 1:
        lines.append(
            f"On the first of these days ({first['date']}) {_percent(first['accuracy'])} were right, on the last one "
            f"({last['date']}) {_percent(last['accuracy'])}."
        )
    if facts["kept"] is None:
        lines.append("It was never sure enough to promise anything.")
    else:
        lines.append(
            f"It promised to be right about {_percent(facts['promised'])} of the minutes that it was sure of "
            f"({_percent(facts['coverage'])} of all), and was right about {_percent(facts['kept'])}."
        )
    return lines


def page(facts: Mapping[str, Any], picture: str) -> str:
    """The page in Markdown. `picture`: the file name of the learning curve."""
    return "\n".join(
        [
            "# How well would it have known you?",
            "",
            *summary(facts),
            "",
            _how(facts),
            "",
            f"![Learning curve]({picture})",
            "",
            "## All figures",
            "",
            "| | | 95 % interval, by days |",
            "|---|---|---|",
            *(f"| {name} | {_number(facts[key])} | {_interval(facts['intervals_95'][key])} |" for name, key in _ROWS),
            "",
            "A label after smoothing counts whether or not the app was sure enough to show it; as the tray showed it, "
            "`Mixed/Unknown` counts as wrong. Minutes that you did not label are not counted. What is said of the "
            "model alone, down to its coverage, leaves out the minutes that the idle rule decides.",
            "",
            "## Day by day",
            "",
            "| day | labelled | known before | right | as shown | model alone | ECE | coverage | kept | the evening |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *_day_rows(facts),
            "",
        ]
    )


def _how(facts: Mapping[str, Any]) -> str:
    asked = facts["answers_per_day"]
    given = "all labels of a day at its end" if asked is None else f"the answers to at most {asked} questions a day"
    judged = "" if facts["from_day"] == 1 else f" The days before day {facts['from_day']} were only learnt from."
    return (
        f"Each day of {facts['export']} was answered by what was learnt before: the starter model at first, with a "
        f"personal head fitted again after each label, then what Retrain made of {given} and put in use.{judged}"
    )


def _day_rows(facts: Mapping[str, Any]) -> list[str]:
    known = [0, *(evening["labelled_minutes"] for evening in facts["evenings"])]
    endings = [*map(_ending, facts["evenings"]), ""]
    return [
        f"| {day['date']} | {day['labelled_minutes']} | {before} | {_number(day['accuracy'])} | "
        f"{_number(day['accuracy_live'])} | {_number(day['accuracy_raw'])} | {_number(day['ece'])} | "
        f"{_number(day['coverage'])} | {_number(day['kept'])} | {ending} |"
        for day, before, ending in zip(facts["days"], known, endings, strict=True)
    ]


def _ending(evening: Mapping[str, Any]) -> str:
    words = _OUTCOMES[evening["outcome"]]
    if evening["macro_f1"] is None:
        return words
    return f"{words} (macro-F1 {_number(evening['macro_f1'])}, that in use {_number(evening['previous_macro_f1'])})"


def learning_curve(facts: Mapping[str, Any]) -> bytes:
    """The share of right minutes on each day, as a PNG; days before `from_day` are grey, promotions are marked."""
    figure = Figure(figsize=(7.4, 4.6), dpi=plots.DPI, layout="constrained")
    axes = figure.subplots()
    plots.titled(axes, "How well it would have known you", f"{_percent(facts['accuracy'])} right over all judged days")
    days: Sequence[Mapping[str, Any]] = [day for day in facts["days"] if day["labelled_minutes"]]
    numbers = [day["day"] for day in days]
    for key, name, colour, width in (
        ("accuracy", "after smoothing", plots.BLUE, 2.0),
        ("accuracy_live", "as the tray showed it", plots.ORANGE, 1.2),
        ("surest_60", "the surest 60 %, model alone", plots.FAINT, 1.2),
    ):
        axes.plot(
            numbers, [day[key] for day in days], color=colour, linewidth=width, marker="o", markersize=4, label=name
        )
    if facts["from_day"] > 1:
        axes.axvspan(0.5, facts["from_day"] - 0.5, color=plots.GRID, label="only learnt from")
    dates = {day["date"]: day["day"] for day in facts["days"]}
    for evening in facts["evenings"]:
        if evening["outcome"] == "promoted":
            axes.axvline(dates[evening["day"]] + 0.5, color=plots.FAINT, linewidth=1, linestyle=(0, (2, 3)))
    axes.set(xlabel="day (dotted: a new model was put in use)", ylabel="share of right minutes", ylim=(0, 1.02))
    axes.set_xlim(0.5, len(facts["days"]) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0))
    axes.legend(loc="best", frameon=False, fontsize=9)
    return plots.png(figure)


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(bounds: Sequence[float] | None) -> str:
    return "–" if bounds is None else f"{bounds[0]:.3f} – {bounds[1]:.3f}"


def _between(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else f" (95 % interval {_percent(bounds[0])} to {_percent(bounds[1])})"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
