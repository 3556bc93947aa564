"""A session bus of its own: starts no services but those named, so nothing on the machine can answer by accident."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import stop

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><keep_umask/><listen>unix:path={folder}/bus</listen><servicedir>{folder}</servicedir><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>"""
_SERVICES = Path("/usr/share/dbus-1/services")
_DESKTOP_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "PYSTRAY_BACKEND", "DBUS_SESSION_BUS_ADDRESS")


@dataclass(frozen=True, slots=True)
class PrivateBus:
    """A running bus; `env` is the environment of a child that lives on it, with a home of its own and no display."""

    address: str
    folder: Path
    process: subprocess.Popen[str]

    @property
    def env(self) -> dict[str, str]:
        """A fresh copy for a child."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        for name in _DESKTOP_VARIABLES:
            kept.pop(name, None)
        return kept | {
            "DBUS_SESSION_BUS_ADDRESS": self.address,
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
        }

    def kill(self) -> None:
        """The bus goes away, as when a session ends."""
        stop(self.process)


@contextmanager
def private_bus(env: Mapping[str, str] | None = None, services: Sequence[str] = ()) -> Iterator[PrivateBus]:
    """A bus that ends with the block; it may start the machine's `services`, which get `env` too."""
    # not pytest's folder: the path of a Unix socket may have 107 characters
    with tempfile.TemporaryDirectory(prefix="bus-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        config = folder / "bus.conf"
        config.write_text(_CONFIG.format(folder=folder))
        for service in services:
            (folder / f"{service}.service").symlink_to(_SERVICES / f"{service}.service")
        process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(env or {})},
        )
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, "dbus-daemon did not start"
            yield PrivateBus(address, folder, process)
        finally:
            stop(process)
