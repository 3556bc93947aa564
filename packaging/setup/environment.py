"""Makes a virtual environment from a pinned, hashed requirement file; does nothing when it is up to date.

usage: environment.py {run,dev,aw-server}

`dev` holds everything `run` does, in the same folder: whoever has run the tests need not wait for `make run`.
Standard library only, and readable by old Pythons far enough to say that they are too old.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "packaging" / "requirements"


class Plan:
    """One environment: its folder, its requirement file, and whether the project itself goes into it."""

    def __init__(self, folder: str, requirements: str, *, project: bool, included_in: str = "") -> None:
        self.folder = ROOT / folder
        self.requirements = REQUIREMENTS / requirements
        self.project = project
        self.included_in = included_in

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def fingerprint(self) -> str:
        """Changes when the requirements, the project's metadata, its place or the interpreter do."""
        inputs = [self.requirements.read_bytes(), str(self.folder).encode(), sys.version.encode()]
        if self.project:
            inputs.append((ROOT / "pyproject.toml").read_bytes())
        return hashlib.sha256(b"\0".join(inputs)).hexdigest()


PLANS = {
    "run": Plan(".venv", "run.txt", project=True, included_in="dev"),
    "dev": Plan(".venv", "dev.txt", project=True),
    "aw-server": Plan(".venv-aw", "aw-server.txt", project=False),
}


def main(name: str) -> None:
    refuse_unsuitable_python()
    names = [name] + ([PLANS[name].included_in] if PLANS[name].included_in else [])
    if any(is_current(each) for each in names):
        return
    plan = PLANS[name]
    print(f"Setting up {plan.folder.name} from {plan.requirements.name} ...", flush=True)
    if not is_usable(plan.python):
        shutil.rmtree(plan.folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(plan.folder)])
    for each in names:
        stamp(each).unlink(missing_ok=True)
    pip(plan, "--no-deps", "--require-hashes", "-r", str(plan.requirements))
    if plan.project:
        pip(plan, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    stamp(name).write_text(plan.fingerprint(), encoding="ascii")


def refuse_unsuitable_python() -> None:
    if sys.version_info < OLDEST:
        sys.exit(
            "taskclf-tray needs Python 3.11 or newer and {} is {}.{}. Install a newer one and name it: "
            "make PYTHON=python3.11 run".format(sys.executable, *sys.version_info[:2])
        )
    try:
        import ensurepip  # noqa: F401 - Debian ships it apart from python3
    except ImportError:
        sys.exit(
            "This Python cannot make virtual environments. On Debian and Ubuntu: sudo apt-get install python3-venv"
        )


def stamp(name: str) -> Path:
    return PLANS[name].folder / ("taskclf-" + name + ".stamp")


def is_current(name: str) -> bool:
    plan = PLANS[name]
    try:
        return stamp(name).read_text(encoding="ascii") == plan.fingerprint() and is_usable(plan.python)
    except OSError:
        return False


def is_usable(python: Path) -> bool:
    """Whether the environment's interpreter starts and is new enough: the one it was made from may be gone."""
    test = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])!r})"
    try:
        return subprocess.run([str(python), "-c", test], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def pip(plan: Plan, *arguments: str) -> None:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    run([str(plan.python), "-m", "pip", "install", *quiet, *arguments])


def run(command: list[str]) -> None:
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, check=False)
    if done.returncode != 0:
        sys.exit("Set-up failed at: {}. Its message is above; running make again continues.".format(" ".join(command)))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PLANS:
        sys.exit(__doc__)
    main(sys.argv[1])
