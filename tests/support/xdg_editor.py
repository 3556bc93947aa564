"""An editor registered through XDG, as a person's desktop has one: it rewrites what it is given, like a save."""

from __future__ import annotations

import stat
from pathlib import Path

_MIMES = ("application/json", "application/toml", "text/plain", "text/x-log", "inode/directory")


class FakeEditor:
    """Opened by xdg-open; applies a sed expression to the file and notes its path."""

    def __init__(self, folder: Path) -> None:
        self._script = folder / "fake-editor"
        self._opened = folder / "opened.txt"
        self._expression = folder / "expression.sed"
        data, config = folder / "xdg-data", folder / "xdg-config"
        (data / "applications").mkdir(parents=True)
        config.mkdir()
        self._expression.write_text("")
        self._script.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$1" >> "{self._opened}"\n'
            f'[ -s "{self._expression}" ] && [ -f "$1" ] && sed -i -f "{self._expression}" "$1"\nexit 0\n'
        )
        self._script.chmod(self._script.stat().st_mode | stat.S_IXUSR)
        (data / "applications" / "fake-editor.desktop").write_text(
            "[Desktop Entry]\nType=Application\nName=Fake editor\nNoDisplay=true\n"
            f"Exec={self._script} %f\nMimeType={';'.join(_MIMES)};\n"
        )
        lines = [f"{mime}=fake-editor.desktop" for mime in _MIMES]
        (config / "mimeapps.list").write_text("\n".join(["[Default Applications]", *lines, ""]))
        self.env = {
            "XDG_DATA_HOME": str(data),
            "XDG_CONFIG_HOME": str(config),
            "XDG_DATA_DIRS": "/usr/share",
            "DISPLAY": ":77",  # no server owns it: openers look for a name, nothing draws
        }

    def will_apply(self, expression: str) -> None:
        """What the next save changes, as a sed expression; empty changes nothing."""
        self._expression.write_text(expression)

    @property
    def opened(self) -> list[str]:
        """Every path it was asked to open."""
        return self._opened.read_text().splitlines() if self._opened.exists() else []
