"""Two builds side by side in one run: `python -m tests.bench.compare OLD NEW [NAME ...] --out FILE`.

OLD and NEW are commits; each is checked out into a temporary folder and measured with this environment's libraries, so
that only the application differs. The builds take turns, round by round, so that a busy machine slows both alike; what
is compared are medians over the rounds and their ratio. A benchmark measures its own build; those of `OUTSIDE` import
nothing of the application, and the one of today measures both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.__main__ import HERE, machine

OUTSIDE = ("app",)
DEFAULT = ("app", "imports", "forest", "pipeline", "features", "batch", "dataset", "poll")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every benchmark ran in both builds; the file holds what did run either way."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description="Compare two builds.")
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("names", nargs="*", default=[], metavar="NAME", help=f"default: {' '.join(DEFAULT)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    with _tree(options.old) as old, _tree(options.new) as new:
        compared = {name: _compare(name, (old, new), options.rounds) for name in options.names or DEFAULT}
    commits = {side: _git("rev-parse", "--short", getattr(options, side)) for side in ("old", "new")}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({**commits, "machine": machine(), "figures": compared}, indent=2) + "\n")
    return 0 if all(compared.values()) else 1


def _compare(name: str, trees: tuple[Path, Path], rounds: int) -> dict[str, dict[str, float]]:
    """{figure: old, new and ratio} of the figures that both builds print; empty when one of them fails."""
    runs: tuple[list[dict[str, float]], ...] = ([], [])
    for _ in range(rounds):
        for figures, tree in zip(runs, trees, strict=True):
            figures.append(_figures(name, tree))
    shared = [key for key in runs[1][0] if all(key in figures for side in runs for figures in side)]
    medians = {key: [statistics.median(figures[key] for figures in side) for side in runs] for key in shared}
    compared = {
        key: {"old": round(old, 3), "new": round(new, 3), "ratio": round(new / old, 3) if old else 0.0}
        for key, (old, new) in medians.items()
    }
    print(name if compared else f"{name}: nothing to compare")
    for key, figure in compared.items():
        print(f"    {key:<44} {figure['old']:>12} {figure['new']:>12} {figure['ratio']:>7}", flush=True)
    return compared


def _figures(name: str, tree: Path) -> dict[str, float]:
    where = [str(HERE / f"bench_{name}.py")] if name in OUTSIDE else ["-m", f"tests.bench.bench_{name}"]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run([sys.executable, *where], cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{name} of {tree.name} failed: {done.stderr.strip().rpartition(chr(10))[2]}", flush=True)
        return {}
    return dict(_flat(json.loads(done.stdout)))


def _flat(value: Any, above: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of nested mappings, by their keys joined with a dot."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{above}.{key}" if above else str(key))
    elif isinstance(value, int | float):
        yield above, float(value)


@contextmanager
def _tree(commit: str) -> Iterator[Path]:
    """A checkout of the commit in a temporary folder, taken away afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        tree = Path(folder) / _git("rev-parse", "--short", commit)
        _git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
