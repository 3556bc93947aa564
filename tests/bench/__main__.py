"""Runs every benchmark and writes one JSON file: `python -m tests.bench --out FILE [NAME ...]`.

A benchmark is a module `bench_NAME.py` here that prints its figures as JSON, with their units in their names. Each
runs in a process of its own, so that none inherits another's memory.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = ("numpy", "lightgbm", "pandas")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every benchmark ran; the file holds what did run either way."""
    options = _options(arguments)
    figures: dict[str, object] = {}
    failed: list[str] = []
    for name in options.names or _all_names():
        answer = subprocess.run(
            [sys.executable, "-m", f"tests.bench.bench_{name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        if answer.returncode != 0:
            failed.append(name)
            continue
        figures[name] = _read(answer.stdout)
        _print(name, figures[name])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": machine(), "figures": figures, "failed": failed}, indent=2) + "\n")
    print(f"written to {options.out}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure time and memory.")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_all_names())}; default: all")
    return parser.parse_args(arguments)


def _all_names() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def _read(output: str) -> object:
    """The figures; the bare lines of a benchmark that prints no JSON."""
    try:
        return json.loads(output)
    except ValueError:
        return {f"line_{number}": line for number, line in enumerate(output.splitlines(), 1)}


def _print(name: str, figures: object) -> None:
    print(name)
    if isinstance(figures, dict):
        for key, value in figures.items():
            print(f"    {key:<32} {value}")


def machine() -> dict[str, object]:
    """What the figures were measured on, with its load of the last minute and the libraries' versions."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_1m": round(os.getloadavg()[0], 2),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "monotonic_resolution_ns": round(time.get_clock_info("monotonic").resolution * 1e9),
        **{library: importlib.metadata.version(library) for library in LIBRARIES},
    }


if __name__ == "__main__":
    sys.exit(main())
