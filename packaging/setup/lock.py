"""Resolves the requirement files again with uv: one file for every platform and Python, hashed, without host names.

Run it after a change of pyproject.toml or aw-server.in, look at the difference, and commit both together.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "packaging" / "requirements"
COMPILE = [
    "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
    "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header",
]  # fmt: skip
INPUTS = {
    "run.txt": ["pyproject.toml", "--extra", "train", "--group", "build"],
    "dev.txt": ["pyproject.toml", "--extra", "train", "--group", "dev"],
    "aw-server.txt": ["packaging/requirements/aw-server.in"],
}


def main() -> None:
    """Write all three files; pins that still fit are kept, pass --upgrade for newer ones."""
    if shutil.which("uv") is None:
        sys.exit("Resolving the requirements needs uv: pip install uv")
    for name, inputs in INPUTS.items():
        target = REQUIREMENTS / name
        subprocess.run([*COMPILE, *sys.argv[1:], *inputs, "--output-file", str(target)], cwd=ROOT, check=True)
        print(f"{target.relative_to(ROOT)}: {target.read_text().count('==')} pins")


if __name__ == "__main__":
    main()
