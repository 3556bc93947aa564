"""Makes virtual environments from pinned, hashed requirement files; does nothing where one is up to date.

usage: environment.py {python,run,dev,aw-server,docs,bundle} ...

Several are made at the same time. `python` only looks whether this Python will do. `dev` holds everything `run` does,
in the same folder: whoever has run the tests need not wait for `make run`.
Standard library only. Pythons from 3.6 on read this file far enough to say that they are too old, so it has no
`from __future__ import annotations`.
"""

# ruff: noqa: E402 - an old Python must not get as far as the imports

import sys

OLDEST, NEWEST = (3, 11), (3, 14)  # the requirement files hold files for these; packaging/setup/lock.py checks it


def refuse_unsuitable_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            "taskclf-tray needs Python {}.{} to {}.{} and {} is {}.{}. Install one of these and name it: "
            "make PYTHON=python{}.{} run".format(*OLDEST, *NEWEST, sys.executable, *sys.version_info[:2], *OLDEST)
        )


if __name__ == "__main__":
    refuse_unsuitable_python()

import hashlib
import json
import os
import subprocess
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:  # under PYTHONSAFEPATH, and when a test loads this file
    sys.path.insert(0, HERE)
import pip_settings

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "packaging" / "requirements"
OWN_FILES = [Path(__file__), Path(pip_settings.__file__)]
LISTED = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]  # what the file lists, and nothing else


class Plan:
    """One environment: its folder, what is installed there, and in which order.

    `requirements` are installed one file after the other. `sources` are the few packages that publish no wheel; they
    are built with what an earlier file has installed. `apart` are installed into folders of their own below `apart/`,
    off the import path: the pips that tests try.
    """

    def __init__(
        self,
        folder: str,
        *requirements: str,
        project: Path | None = None,
        sources: tuple[str, ...] = (),
        apart: tuple[str, ...] = (),
        included_in: str = "",
    ) -> None:
        self.folder = ROOT / folder
        self.requirements = [REQUIREMENTS / name for name in requirements]
        self.project = project
        self.sources = sources
        self.apart = [REQUIREMENTS / name for name in apart]
        self.included_in = included_in

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def fingerprint(self) -> str:
        """Changes when the requirements, the project's metadata, its place, the interpreter or the set-up itself do."""
        inputs = [str(self.folder).encode(), sys.version.encode()]
        inputs += [path.read_bytes() for path in [*OWN_FILES, *self.requirements, *self.apart]]
        if self.project is not None:
            inputs.append(project_metadata(self.project).encode())
        return hashlib.sha256(b"\0".join(inputs)).hexdigest()


PLANS = {
    "run": Plan(".venv", "run.txt", project=ROOT, included_in="dev"),
    "dev": Plan(".venv", "dev.txt", project=ROOT, apart=("pip-oldest.txt", "pip-newest.txt")),
    "aw-server": Plan(".venv-aw", "aw-server-build.txt", "aw-server.txt", sources=("strict-rfc3339",)),
    "docs": Plan(".venv-docs", "docs.txt"),
    "bundle": Plan(".venv-bundle", "bundle.txt", project=ROOT),
}


def main(*names: str) -> None:
    with one_at_a_time(), ThreadPoolExecutor(len(names)) as together:
        for done in [together.submit(set_up, name) for name in names]:
            done.result()


def set_up(name: str) -> None:
    """Make the environment `name`, unless it is there.

    Nothing is left over and nothing half installed is taken for whole: the folder is emptied first, unless what is in
    it is known to be right (the run environment, which the tests only add to).
    """
    plan = PLANS[name]
    if is_current(name) or (plan.included_in and is_current(plan.included_in)):
        return
    print(f"Setting up {plan.folder.name} from {plan.requirements[-1].name} ...", flush=True)
    beside = [each for each, other in PLANS.items() if other.folder == plan.folder]
    keeps = any(is_current(each) for each in beside)
    for each in beside:
        stamp(each).unlink(missing_ok=True)
    if not keeps:
        create(plan)
    fill(plan)
    check(plan)
    stamp(name).write_text(plan.fingerprint(), encoding="ascii")


def create(plan: Plan) -> None:
    """An empty environment with the pip this Python brings, in place of whatever is in the folder."""
    refuse_python_without_pip()
    try:
        # in this process: its own interpreter may be the one in the folder
        venv.EnvBuilder(clear=True, with_pip=True, symlinks=os.name != "nt").create(plan.folder)
    except (OSError, ValueError) as error:
        sys.exit(f"{plan.folder} could not be made: {error}. Remove that folder, then run make again.")
    except subprocess.CalledProcessError as error:
        said = error.output.decode(errors="replace") if error.output else ""
        sys.exit(f"{said}{plan.folder} could not get its pip. The message is above; running make again starts it over.")


def fill(plan: Plan) -> None:
    """Install the listed files, whatever is newer, and the project itself beside them."""
    settings = pip_settings.environment()
    building = ["--no-build-isolation", "--use-pep517"]
    for name in plan.sources:
        building += ["--no-binary", name]
    for path in plan.requirements:
        run(plan, settings, "install", *LISTED, *building, "--requirement", str(path))
    if plan.project is not None:
        run(plan, settings, "install", "--no-index", "--no-deps", *building, "--editable", str(plan.project))
    for path in plan.apart:
        target = str(plan.folder / "apart" / path.stem)
        run(plan, settings, "install", *LISTED, "--target", target, "--requirement", str(path))


def check(plan: Plan) -> None:
    """Leave with one sentence when an installed package needs something that its requirement file does not give it."""
    done = subprocess.run(
        [*pip(plan), "check"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=pip_settings.environment(),
        check=False,
    )
    if done.returncode != 0:
        findings = (done.stdout or done.stderr).strip().splitlines() or ["pip check failed without a word"]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        sys.exit(
            f"{plan.requirements[-1].name} does not list all that its packages need: {findings[0].rstrip('.')}{more}. "
            "Run make lock if you have changed a dependency, else get a newer version of taskclf-tray."
        )


def refuse_python_without_pip() -> None:
    try:
        import ensurepip  # noqa: F401 - Debian ships it apart from python3
    except ImportError:
        sys.exit(
            "This Python cannot make virtual environments. On Debian and Ubuntu: "
            "sudo apt-get install python{}.{}-venv".format(*sys.version_info[:2])
        )


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for another make that sets up in this checkout; a killed one does not count.

    The lock is on the checkout's folder itself, so there is no file to be left over.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another make is setting up here. Waiting for it ...", flush=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks
        os.set_inheritable(folder, True)  # pip may outlive this process, and the lock lasts as long as either
        yield
    finally:
        os.close(folder)


def project_metadata(project: Path) -> str:
    """The part of pyproject.toml that decides what is installed."""
    import tomllib

    tables = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    kept = [tables.get("build-system"), tables.get("project"), tables.get("tool", {}).get("hatch")]
    return json.dumps(kept, sort_keys=True, default=str)


def stamp(name: str) -> Path:
    return PLANS[name].folder / ("taskclf-" + name + ".stamp")


def is_current(name: str) -> bool:
    plan = PLANS[name]
    try:
        return stamp(name).read_text(encoding="ascii") == plan.fingerprint() and is_usable(plan.python)
    except (OSError, ValueError):
        return False


def is_usable(python: Path) -> bool:
    """Whether the environment's interpreter starts and is this version: the one it was made from may be gone."""
    test = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])!r})"
    try:
        return subprocess.run([str(python), "-I", "-c", test], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def pip(plan: Plan) -> list[str]:
    return [str(plan.python), "-I", "-m", "pip"]


def run(plan: Plan, settings: dict[str, str], *arguments: str) -> None:
    command = [*pip(plan), *arguments, "--quiet", "--no-input"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env=settings, close_fds=False, check=False)
    if done.returncode != 0:
        sys.exit(f"Set-up failed at: {' '.join(command)}. Its message is above; running make again starts it over.")


if __name__ == "__main__":
    wanted = sys.argv[1:]
    if not wanted or not {"python", *PLANS}.issuperset(wanted):
        sys.exit(__doc__)
    try:
        if wanted != ["python"]:
            main(*(name for name in wanted if name != "python"))
    except KeyboardInterrupt:
        sys.exit(130)
