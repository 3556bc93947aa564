"""A Wayland desktop without a screen: sway, started as another user where it refuses to run as root."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import stop, wait_until

_NOBODY = 65534
_SETTINGS = {
    "WLR_BACKENDS": "headless",
    "WLR_LIBINPUT_NO_DEVICES": "1",
    "WLR_RENDERER": "pixman",
    "PATH": os.environ["PATH"],
}


@contextlib.contextmanager
def sway(config: str = "output * resolution 800x560") -> Iterator[dict[str, str]]:
    """A compositor that ends with the block; answers the variables of its clients."""
    # not pytest's folder: the path of a Unix socket may have 107 characters, and sway's user must get there
    with tempfile.TemporaryDirectory(prefix="sway-") as name, contextlib.ExitStack() as running:
        folder = Path(name)
        (folder / "config").write_text(config)
        other_user = {}
        if os.geteuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
            other_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        compositor = subprocess.Popen(
            ["sway", "-c", str(folder / "config")],
            env={**_SETTINGS, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            **other_user,  # type: ignore[call-overload]
        )
        running.callback(stop, compositor)

        def display() -> str:
            return next((str(path) for path in folder.glob("wayland-*") if path.is_socket()), "")

        yield {"WAYLAND_DISPLAY": wait_until(display, "sway's socket", 10)}
