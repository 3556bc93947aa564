"""Resolves the requirement files again: one file for every platform and Python, hashed, without host names.

Run it after a change of pyproject.toml or of a .in file, look at the difference, and commit both together. It refuses a
result that does not hold a file for each supported Python and platform. uv does the work, in an environment of its own
that is thrown away.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from environment import NEWEST, OLDEST, PLANS, REQUIREMENTS, ROOT

UV = "uv==0.13.9"
COMPILE = [
    "--universal", "--python-version", ".".join(map(str, OLDEST)),
    "--fork-strategy", "fewest", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header",
]  # fmt: skip
INPUTS = {
    "run.txt": ["pyproject.toml", "--extra", "train", "--extra", "parquet", "--group", "build"],
    "dev.txt": ["pyproject.toml", "--extra", "train", "--extra", "parquet", "--group", "dev"],
    "bundle.txt": ["pyproject.toml", "--extra", "train", "--group", "build", "--group", "bundle"],
    "aw-server.txt": ["packaging/requirements/aw-server.in"],
    "aw-server-build.txt": ["packaging/requirements/aw-server-build.in"],
    "pip-oldest.txt": ["packaging/requirements/pip-oldest.in"],
    "pip-newest.txt": ["packaging/requirements/pip-newest.in"],
    "docs.txt": ["packaging/requirements/docs.in"],
}
PYTHONS = [f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
PLATFORMS = (
    "x86_64-manylinux_2_28",
    "aarch64-manylinux_2_28",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-msvc",
)


def main() -> None:
    """Write all files; pins that still fit are kept, pass --upgrade for newer ones."""
    with tempfile.TemporaryDirectory(prefix="taskclf-lock-") as name:
        folder = Path(name)
        uv = install_uv(folder)
        for file, inputs in INPUTS.items():
            shutil.copyfile(resolve(uv, folder, file, inputs), REQUIREMENTS / file)
            pins = re.findall(r"^\w\S*==", (REQUIREMENTS / file).read_text(encoding="utf-8"), re.MULTILINE)
            print(f"packaging/requirements/{file}: {len(pins)} pins", flush=True)
        refused = list(gaps(uv, folder))
    if refused:
        sys.exit("\n".join(refused) + "\nThe files are written, but make run would fail there: choose other versions.")


def install_uv(folder: Path) -> str:
    venv.create(folder / "uv", with_pip=True, symlinks=os.name != "nt")
    programs = folder / "uv" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([str(programs / "python"), "-m", "pip", "install", "--quiet", UV], check=True)
    return str(programs / "uv")


def resolve(uv: str, folder: Path, file: str, inputs: list[str]) -> Path:
    """The new file beside the old one.

    Its pins are kept, its hashes are not: uv would keep those of another version, and would not add those of files
    that were published after it, such as the ones for a new Python.
    """
    target = folder / file
    if (REQUIREMENTS / file).exists():
        target.write_text(without_hashes((REQUIREMENTS / file).read_text(encoding="utf-8")), encoding="utf-8")
    command = [uv, "pip", "compile", "--quiet", *COMPILE, *sys.argv[1:], *inputs, "--output-file", str(target)]
    subprocess.run(command, cwd=ROOT, check=True)
    return target


def without_hashes(requirements: str) -> str:
    return re.sub(r" \\\n    --hash=\S+", "", requirements)


def gaps(uv: str, folder: Path) -> Iterator[str]:
    """One sentence for each Python and platform for which a file is missing or a package is not listed."""
    for plan in PLANS.values():
        sources = [option for name in plan.sources for option in ("--no-binary", name)]
        for path, python, platform in product([*plan.requirements, *plan.apart], PYTHONS, PLATFORMS):
            command = [
                uv, "pip", "install", "--quiet", "--dry-run", "--require-hashes", "--only-binary", ":all:", *sources,
                "--python-version", python, "--python-platform", platform,
                "--target", str(folder / "nothing"), "--requirement", str(path),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                yield f"{path.name}, Python {python}, {platform}: {' '.join(done.stderr.split())}"


if __name__ == "__main__":
    main()
