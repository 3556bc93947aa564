"""The learning curves of `bench_learning` as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PANELS: Final = (
    ("macro_f1", "macro-F1", 0.70),
    ("accuracy_at_60", "accuracy of the surest 60 %", 0.92),
    ("ece", "calibration error (ECE)", 0.05),
)
_COLOURS: Final = ("#1d4ed8", "#b45309", "#047857", "#9333ea", "#be123c", "#0e7490")

Means = Mapping[str, Mapping[str, float | None]]
"""Model → name of a figure → its mean over people."""


def draw(
    blocks: Sequence[int], of_all: Means, of_persona: Mapping[str, Means], baselines: Sequence[str], path: Path
) -> None:
    """One panel a figure: a thin line for each persona, a thick one for all people; dashes mark the target."""
    import matplotlib as mpl  # here, since it takes a second, and every test process reads this file

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(_PANELS), figsize=(13, 4.4), layout="constrained")
    at = range(len(blocks) + 1)
    for panel, (name, title, target) in zip(panels, _PANELS, strict=True):
        for (persona, means), colour in zip(of_persona.items(), _COLOURS, strict=False):
            panel.plot(at, _curve(means, blocks, name), color=colour, linewidth=1, alpha=0.6, label=persona)
        panel.plot(at, _curve(of_all, blocks, name), color="black", linewidth=2.5, marker="o", label="all")
        for baseline, style in zip(baselines, (":", "-."), strict=False):
            value = of_all[baseline].get(name)
            if value is not None:
                panel.axhline(value, color="#6b7280", linewidth=1, linestyle=style, label=baseline)
        panel.axhline(target, color="black", linewidth=0.8, linestyle="--")
        panel.set_xticks(at, ["0", *map(str, blocks)])
        panel.set_xlabel("labelled blocks")
        panel.set_title(title)
        panel.grid(alpha=0.25)
        panel.set_ylim(0.0, 0.2 if name == "ece" else 1.0)
    panels[0].legend(loc="lower right", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


def _curve(means: Means, blocks: Sequence[int], name: str) -> list[float]:
    models = ["starter", *(f"{count} blocks" for count in blocks)]
    return [float("nan") if (value := means[model].get(name)) is None else value for model in models]
