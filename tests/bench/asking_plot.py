"""The curves of `bench_asking` as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

_LOOKS: Final = {
    "random": ("#6b7280", "o", "any block"),
    "lowest_confidence": ("#b45309", "s", "the least confident block"),
    "value": ("#1d4ed8", "D", "the policy"),
}
_TITLES: Final = {"alone": "the head by itself", "in_force": "the shipped model and the head"}


def draw(
    labels: Sequence[int],
    models: Mapping[str, Mapping[str, npt.NDArray[np.float64]]],
    targets: Mapping[str, float],
    path: Path,
) -> None:
    """One panel a model: the mean share of the attainable macro-F1 over people, with its standard error."""
    import matplotlib as mpl  # here, since it takes a second, and every test process reads this file

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(models), figsize=(11, 4.6), sharey=True, layout="constrained")
    for panel, (model, curves) in zip(np.atleast_1d(panels), models.items(), strict=True):
        for strategy, shares in curves.items():
            colour, marker, name = _LOOKS[strategy]
            mean, error = shares.mean(axis=0), shares.std(axis=0) / np.sqrt(len(shares))
            panel.plot(labels, mean, color=colour, marker=marker, markersize=4, label=name)
            panel.fill_between(labels, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0)
        panel.axhline(targets[model], color="black", linewidth=0.8, linestyle="--")
        panel.set_title(_TITLES[model])
        panel.set_xlabel("labelled blocks (four a day)")
        panel.grid(alpha=0.25)
        panel.set_ylim(0.0, 1.0)
    np.atleast_1d(panels)[0].set_ylabel("macro-F1 on later days / attainable")
    np.atleast_1d(panels)[-1].legend(title="asked about", loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
