"""Installs the Debian packages the tests need, when it may; else names what is missing.

The application itself needs none of them: they are a private desktop for the end-to-end tests. On other systems the
programs are looked for on PATH.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

# package: a program or file that proves it on systems without dpkg ("" where nothing on PATH does)
NEEDED = {
    "appstream": "appstreamcli",
    "adwaita-icon-theme": "",
    "ayatana-indicator-application": "",
    "dbus": "dbus-daemon",
    "desktop-file-utils": "desktop-file-validate",
    "dex": "dex",
    "dunst": "dunst",
    "fonts-dejavu-core": "",
    "gnome-shell": "gnome-shell",
    "gnome-shell-extension-appindicator": "",
    "imagemagick": "convert",
    "iproute2": "ip",
    "libgomp1": "",
    "libglib2.0-bin": "gio",
    "libnotify-bin": "notify-send",
    "lxqt-notificationd": "lxqt-notificationd",
    "mako-notifier": "mako",
    "openbox": "openbox",
    "openssl": "openssl",
    "shared-mime-info": "update-mime-database",
    "strace": "strace",
    "sway": "sway",
    "tmux": "tmux",
    "waybar": "waybar",
    "x11-utils": "xwininfo",
    "xdg-utils": "xdg-open",
    "xdotool": "xdotool",
    "xfce4-notifyd": "",
    "xfce4-panel": "xfce4-panel",
    "xfce4-session": "xfce4-session",
    "xvfb": "Xvfb",
}


def main() -> None:
    """Install what is missing, or leave with one sentence that says what and how."""
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        refuse_missing_programs()
        return
    missing = missing_packages()
    if not missing:
        return
    prefix = privileges()
    if prefix is None:
        sys.exit(
            "The tests need packages that are not installed, and this user may not install them. "
            f"Run: sudo apt-get install --no-install-recommends {' '.join(missing)}"
        )
    install(prefix, missing)


def refuse_missing_programs() -> None:
    absent = sorted(program for program in NEEDED.values() if program and shutil.which(program) is None)
    if absent:
        sys.exit(f"The tests need programs that are not on PATH: {', '.join(absent)}. Install them and run make again.")


def missing_packages() -> list[str]:
    """Names of needed packages dpkg does not know as installed."""
    query = ["dpkg-query", "--show", "--showformat", "${binary:Package} ${db:Status-Status}\n", *NEEDED]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    states = dict(line.split(" ", 1) for line in answer.splitlines())
    installed = {name.split(":")[0] for name, state in states.items() if state == "installed"}
    missing = sorted(set(NEEDED) - installed)
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("python{}.{}-venv".format(*sys.version_info[:2]))
    return missing


def privileges() -> list[str] | None:
    """The words to put before apt-get; None when this user may not install packages."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is not None and call([sudo, "--non-interactive", "true"], quiet=True):
        return [sudo, "--non-interactive"]
    return None


def install(prefix: list[str], packages: list[str]) -> None:
    print(f"Installing {len(packages)} packages: {' '.join(packages)}", flush=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    if not call([*apt, "update"]):
        print("apt-get update failed; going on with the lists that are there.", flush=True)
    if not call([*apt, "install", "--yes", "--no-install-recommends", *packages]):
        sys.exit(f"apt-get could not install {' '.join(packages)}: its message is above.")


def call(command: list[str], *, quiet: bool = False) -> bool:
    """Whether the command succeeded; the chatter of unpacking is shown only when it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0 and not quiet:
        print(done.stdout, flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    main()
