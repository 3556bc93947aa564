"""Pictures of an evaluation: reliability, risk and coverage, confusion. PNG files, drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from taskclf_tray.core.types import LABEL_SET_V1

if TYPE_CHECKING:
    from taskclf_tray.train.evaluate import Evaluation

DPI: Final = 110
INK: Final = "#1b2026"
FAINT: Final = "#8a949d"
GRID: Final = "#e4e7ea"
BLUE: Final = "#1f6fb2"
ORANGE: Final = "#d9730d"
# The margins are given: to have matplotlib find them ("constrained") takes as long as to draw.
_NOTHING: Final = "There is no minute here that the model decided."


def pictures_of(evaluation: Evaluation) -> dict[str, bytes]:
    """Name of the picture → PNG."""
    painters: dict[str, Callable[[Evaluation], Figure]] = {
        "reliability": _reliability,
        "risk_coverage": _risk_coverage,
        "confusion": _confusion,
    }
    return {name: png(paint(evaluation)) for name, paint in painters.items()}


def _reliability(evaluation: Evaluation) -> Figure:
    """What was promised against what came of it, and below how many minutes each promise was made for."""
    figure = Figure(figsize=(6.4, 6.4), dpi=DPI)
    above, below = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    figure.subplots_adjust(left=0.13, right=0.97, bottom=0.085, top=0.9, hspace=0.08)
    titled(above, "Reliability", f"calibration error {_percent(evaluation.figures.ece)} over 15 bins of equal mass")
    above.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)), label="as sure as right")
    bins = evaluation.reliability
    promised, kept = [part.confidence for part in bins], [part.accuracy for part in bins]
    above.vlines(promised, promised, kept, color=ORANGE, linewidth=2, alpha=0.6)
    above.plot(promised, kept, color=BLUE, marker="o", markersize=5, linewidth=1.5, label="minutes of like confidence")
    above.set(ylabel="share that was right", ylim=(-0.02, 1.02))
    below.bar(promised, _density(promised, [part.minutes for part in bins]), width=0.012, color=BLUE)
    below.set(xlabel="confidence", ylabel="minutes\nper percent", xlim=(-0.02, 1.02))
    for axes in (above, below):
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, 0))
    above.yaxis.set_major_formatter(PercentFormatter(1.0, 0))
    _legend_or_nothing(above, bool(bins), "upper left")
    return figure


def _density(promised: list[float], minutes: list[int]) -> list[float]:
    """Minutes per percent of confidence: bins of equal mass are narrow where there is much."""
    if len(promised) < 2:
        return [float(count) for count in minutes]
    middles = (np.array(promised[1:]) + np.array(promised[:-1])) / 2
    edges = np.concatenate([[promised[0]], middles, [promised[-1]]])
    widths = np.maximum(0.01, np.diff(edges))
    return [float(value) for value in np.array(minutes) / (100 * widths)]


def _risk_coverage(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(6.4, 4.6), dpi=DPI)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.12, top=0.87)
    figures = evaluation.figures
    at = f"accuracy {_percent(figures.accuracy_at_60)} at 60% coverage, {_percent(figures.accuracy_at_80)} at 80%"
    titled(axes, "Risk and coverage", at)
    coverage, risk = [c for c, _ in evaluation.risk_coverage], [r for _, r in evaluation.risk_coverage]
    axes.plot(coverage, risk, color=BLUE, linewidth=2, label="the most confident minutes")
    if coverage:
        for share, accuracy in ((0.6, figures.accuracy_at_60), (0.8, figures.accuracy_at_80)):
            axes.plot([share], [1 - accuracy], color=BLUE, marker="o", markersize=5)
        accepted = 1 - figures.reject_rate
        if accepted > 0:
            axes.plot(
                [accepted], [1 - figures.accepted_accuracy], color=ORANGE, marker="D", markersize=7, linestyle="none",
                label=f"as served: {accepted:.0%} accepted, {figures.accepted_accuracy:.1%} right", clip_on=False,
                zorder=3,
            )  # fmt: skip
    top = max([0.05, *risk])
    axes.set(xlabel="share of the minutes accepted", ylabel="share of them that is wrong", ylim=(0, 1.08 * top))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, 0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0))
    _legend_or_nothing(axes, bool(coverage), "upper left")
    return figure


def _confusion(evaluation: Evaluation) -> Figure:
    """Each row a label in truth; the colour is the share of the row, the number the minutes."""
    counts = evaluation.confusion
    figure = Figure(figsize=(7.4, 6.2), dpi=DPI)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.27, right=0.98, bottom=0.16, top=0.9)
    macro = f"macro F1 {_number(evaluation.figures.macro_f1)}, {counts.sum()} minutes"
    titled(axes, "Confusion", macro)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(LABEL_SET_V1))
    axes.set_xticks(places, LABEL_SET_V1, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, [f"{label} ({n})" for label, n in zip(LABEL_SET_V1, counts.sum(axis=1), strict=True)])
    axes.set(xlabel="answer", ylabel="in truth (minutes)")
    axes.grid(visible=False)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            ink = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=9)
    bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.03, format=PercentFormatter(1.0, 0))
    bar.set_label("share of the row")
    bar.outline.set_visible(False)
    return figure


def titled(axes: Any, title: str, words: str) -> None:
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=INK, pad=22)
    axes.annotate(words, (0, 1), (0, 7), "axes fraction", "offset points", color=INK, fontsize=9.5)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend_or_nothing(axes: Any, is_something: bool, place: str) -> None:
    if is_something:
        axes.legend(loc=place, frameon=False, fontsize=9)
    else:
        axes.text(0.5, 0.5, _NOTHING, transform=axes.transAxes, ha="center", color=FAINT)


def _percent(value: float) -> str:
    return f"{value:.1%}" if np.isfinite(value) else "unknown"


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "unknown"


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(file, metadata={"Software": "taskclf-tray"})
    return file.getvalue()
