"""The figures of `bench_learning` as Markdown tables, between marks in a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.bench.learning_curve import TARGET

Means = Mapping[str, Any]

_FIGURES: Final = {
    "macro-F1": "macro_f1",
    "accuracy": "accuracy",
    "ECE": "ece",
    "surest 60 %": "accuracy_at_60",
    "surest 80 %": "accuracy_at_80",
    "flaps": "flap_rate_smoothed",
    "boundary": "boundary_minutes",
}
_SMOOTHING: Final = {
    "macro-F1, unsmoothed": "macro_f1",
    "majority": "smoothed_macro_f1",
    "hmm": "hmm_macro_f1",
    "flaps, unsmoothed": "flap_rate",
    "majority ": "flap_rate_smoothed",
    "hmm ": "flap_rate_hmm",
    "in truth": "flap_rate_true",
    "boundary, majority": "boundary_minutes",
    "hmm  ": "boundary_minutes_hmm",
}
_SHORT: Final = {"macro-F1": "macro_f1", "ECE": "ece", "surest 60 %": "accuracy_at_60", "NLL": "nll"}


def write_tables(document: Path, found: Mapping[str, Any], *, is_variants: bool) -> None:
    """Replace what stands between the marks `<!-- NAME -->` and `<!-- end -->` of the tables there are figures for."""
    text = document.read_text(encoding="utf-8")
    for name, table in (variant_tables(found) if is_variants else tables(found)).items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, t=table: f"{m[1]}\n{t}\n{m[2]}", text, flags=re.DOTALL)
        if not count:
            raise ValueError(f"{document} has no place for the table {name!r}")
    document.write_text(text, encoding="utf-8")


def tables(found: Mapping[str, Any]) -> dict[str, str]:
    """Name → table."""
    made = {
        "results": _table("", found["models"], _FIGURES),
        "smoothing": _table("", {k: v for k, v in found["models"].items() if "blocks" in k or k == TARGET}, _SMOOTHING),
    }
    if "targets" in found:
        made["targets"] = _targets(found["targets"])
    for group in ("personas", "watched"):
        made[group] = _table(TARGET, {name: means[TARGET] for name, means in found[group].items()}, _FIGURES)
    return made


def variant_tables(found: Mapping[str, Any]) -> dict[str, str]:
    """One table a point of the curve."""
    return {f"variants {model}": _table(model, {name: means[model] for name, means in found.items()}, _SHORT)
            for model in (TARGET, "50 blocks")}  # fmt: skip


def _targets(targets: Mapping[str, Any]) -> str:
    names = {figure: column for column, figure in _FIGURES.items()}
    lines = [f"| {TARGET} | wanted | found | |", "|---|---|---|---|"]
    for figure, target in targets.items():
        sign, verdict = "≤" if figure == "ece" else "≥", "met" if target["met"] else "missed"
        lines.append(f"| {names[figure]} | {sign} {target['wanted']:.2f} | {target['found']:.3f} | {verdict} |")
    return "\n".join(lines) + "\n"


def _table(corner: str, rows: Mapping[str, Means], columns: Mapping[str, str]) -> str:
    lines = [f"| {corner} | " + " | ".join(map(str.strip, columns)) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, means in rows.items():
        lines.append(f"| {name} | " + " | ".join(_number(means, figure) for figure in columns.values()) + " |")
    return "\n".join(lines) + "\n"


def _number(means: Means, figure: str) -> str:
    value = means.get(figure)
    if value is None:
        return "–"
    error = means.get(f"{figure}_error")
    digits = 2 if figure.startswith("boundary") else 3
    return f"{value:.{digits}f}" + (f" ± {error:.{digits}f}" if figure == "macro_f1" and error is not None else "")
