"""Makes installers of a bundle: .deb and .rpm on Linux, a setup program on Windows, a disk image on macOS.

usage: installers.py [--edition full|core] [--out dist]

It takes what `build.py` has made there, runs in the same environment (`make installers`), and writes SHA-256 sums of
the installers beside them.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.version import Version

from build import EXTRAS, NAME, ROOT, beside, files, libraries, own_version, sha256, source_date
from taskclf_tray.ui.icon import draw_app_icon

PARTS: Final = ROOT / "packaging" / "bundle"
ICON_SIZES: Final = (16, 22, 24, 32, 48, 64, 128, 256, 512)
ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def main() -> None:
    """Make the installers of this platform."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--edition", choices=list(EXTRAS), default="full")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    out: Path = options.out.resolve()
    bundle = out / f"{NAME}-{options.edition}"
    if not bundle.is_dir():
        sys.exit(f"There is no bundle in {bundle}. Make it first: make bundle")
    make = {"linux": linux_packages, "win32": windows_setup, "darwin": macos_image}[sys.platform]
    for made in make(bundle, out):
        beside(made, ".sha256").write_text(f"{sha256(made)}  {made.name}\n", encoding="utf-8")
        print(f"{made}: {made.stat().st_size / 1e6:.0f} MB", flush=True)


# -- Linux -------------------------------------------------------------------------------------------------------


def package_version(version: Version) -> str:
    """The version for dpkg and rpm, which order `~` before the end: 1.2.0rc1 is 1.2.0~rc1, and older than 1.2.0."""
    words = version.base_version
    if version.pre is not None:
        words += f"~{version.pre[0]}{version.pre[1]}"
    if version.post is not None:
        words += f"+post{version.post}"
    if version.dev is not None:
        words += f"~dev{version.dev}"
    return f"{words}+{version.local}" if version.local else words


def linux_packages(bundle: Path, out: Path) -> list[Path]:
    """The .deb and the .rpm of a bundle, made by nfpm."""
    share = out / "share"
    stage_share(share)
    config = out / "nfpm.yaml"
    config.write_text(yaml.safe_dump(nfpm_config(bundle, share), sort_keys=False), encoding="utf-8")
    made = []
    for kind in ("deb", "rpm"):
        folder = out / kind
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        nfpm = str(Path(sys.executable).with_name("nfpm"))
        subprocess.run([nfpm, "package", "-f", str(config), "-p", kind, "-t", str(folder)], check=True)
        (package,) = folder.iterdir()
        made.append(package.replace(out / package.name))
    return made


def nfpm_config(bundle: Path, share: Path) -> dict[str, Any]:
    """The description of the packages: the part written by hand, with this bundle and these files for /usr/share."""
    config: dict[str, Any] = yaml.safe_load((PARTS / "linux" / "nfpm.yaml").read_text(encoding="utf-8"))
    needed = ".".join(map(str, needed_glibc(bundle)))
    config |= {
        "arch": ARCHITECTURES[platform.machine()],
        "version": package_version(own_version()),
        "mtime": datetime.fromtimestamp(source_date(), UTC).isoformat(),
        "depends": [f"libc6 (>= {needed})"],
        "contents": [
            {"src": str(bundle), "dst": f"/usr/lib/{NAME}", "type": "tree"},
            {"src": f"/usr/lib/{NAME}/{NAME}", "dst": f"/usr/bin/{NAME}", "type": "symlink"},
            *({"src": str(share / name), "dst": f"/usr/share/{name}"} for name in files(share)),
        ],
    }
    config["overrides"]["rpm"]["depends"] = [f"glibc >= {needed}"]
    return config


def needed_glibc(bundle: Path) -> tuple[int, ...]:
    """The oldest glibc that has all symbols the libraries in a bundle ask for."""
    asked = (re.findall(rb"GLIBC_(\d+)\.(\d+)\x00", path.read_bytes()) for path in libraries(bundle))
    return max((tuple(map(int, version)) for versions in asked for version in versions), default=(2, 36))


def stage_share(share: Path) -> None:
    """Write the files for /usr/share: desktop entry, metainfo, icons, and the copyright."""
    shutil.rmtree(share, ignore_errors=True)
    day = datetime.fromtimestamp(source_date(), UTC).date().isoformat()
    metainfo = (PARTS / "linux" / f"{NAME}.metainfo.xml").read_text(encoding="utf-8")
    metainfo = metainfo.replace("@VERSION@", package_version(own_version())).replace("@DATE@", day)
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    others = f"\nThe licences of what it holds are in /usr/lib/{NAME}/THIRD_PARTY_LICENSES.txt.\n"
    texts = {
        f"applications/{NAME}.desktop": (PARTS / "linux" / f"{NAME}.desktop").read_text(encoding="utf-8"),
        "metainfo/org.taskclf.tray.metainfo.xml": metainfo,
        f"doc/{NAME}/copyright": licence + others,
        f"icons/hicolor/scalable/apps/{NAME}.svg": (ROOT / "assets/icons/app.svg").read_text(encoding="utf-8"),
    }
    for name, text in texts.items():
        path = share / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for size in ICON_SIZES:
        folder = share / f"icons/hicolor/{size}x{size}/apps"
        folder.mkdir(parents=True)
        draw_app_icon(size).save(folder / f"{NAME}.png")


# -- Windows and macOS -------------------------------------------------------------------------------------------


def windows_setup(bundle: Path, out: Path) -> list[Path]:
    """The setup program for one user, made by makensis (NSIS)."""
    version = own_version()
    setup = out / f"{NAME}-{version}-setup.exe"
    numbers = ".".join(map(str, (*version.release, 0, 0, 0)[:4]))
    words = [f"-DVERSION={version}", f"-DNUMBERS={numbers}", f"-DBUNDLE={bundle}", f"-DSETUP={setup}"]
    script = str(PARTS / "windows" / "setup.nsi")
    subprocess.run(["makensis", "-V2", "-WX", *words, script], check=True)
    return [setup]


def macos_image(bundle: Path, out: Path) -> list[Path]:
    """The disk image with the application, made by macos/make_image.sh."""
    image = out / f"{NAME}-{own_version()}.dmg"
    icons = out / f"{NAME}.icns"
    draw_app_icon(512).save(icons)
    words = [str(PARTS / "macos" / "make_image.sh"), str(bundle), str(own_version()), str(icons), str(image)]
    subprocess.run(["bash", *words], check=True)
    return [image]


if __name__ == "__main__":
    os.umask(0o022)
    main()
