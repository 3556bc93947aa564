"""Homes and a caller for tests of the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.cli.main import main
from tests.support.sample_rows import BUNDLE, HOME


class CommandLine:
    """Calls commands in this process, in a home of its own (a copy of the golden one)."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.models = home / "models"
        self._capsys = capsys
        shutil.copytree(HOME, home)

    def call(self, *words: str) -> tuple[int, str, str]:
        """(exit code, standard output, standard error)."""
        try:
            code = main([*words, "--home", str(self.home)])
        except SystemExit as usage:
            code = int(str(usage.code))
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    def json(self, *words: str, code: int = 0) -> Any:
        """The answer with `--json`."""
        found, out, err = self.call(*words, "--json")
        assert (found, err) == (code, "")
        return json.loads(out)

    def refused(self, *words: str, code: int = 1) -> str:
        """What a command that fails says; it prints nothing else."""
        found, out, err = self.call(*words)
        assert (found, out) == (code, "")
        return err

    def add_model(self, name: str, **metadata: Any) -> Path:
        """Another model, a copy of the golden one."""
        folder = Path(shutil.copytree(BUNDLE, self.models / name))
        edit(folder / "metadata.json", **metadata)
        return folder


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


class Home(CommandLine):
    """Calls commands in a home that is made by hand."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.models, self._capsys = home, home / "models", capsys
