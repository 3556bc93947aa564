"""A package index on this machine: tiny packages, and a server that offers them as PEP 503 says."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class PackageIndex:
    """A folder of packages: `files/` with what was added, `simple/` with one page for each name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetched: list[str] = []
        (folder / "files").mkdir(parents=True)

    def add_wheel(
        self, name: str, version: str, requires: Sequence[str] = (), extras: Sequence[str] = (), build: str = ""
    ) -> str:
        """A wheel with one module that knows its version; returns its hash as a requirement file writes it."""
        info = f"{name}-{version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        metadata += [f"Provides-Extra: {extra}" for extra in extras]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        contents = {
            f"{name}.py": f"VERSION = {version + build!r}\n",
            f"{info}/METADATA": "\n".join(metadata) + "\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = [f"{path},sha256={_record_hash(text)},{len(text)}" for path, text in contents.items()]
        contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as wheel:
            for path, text in contents.items():
                wheel.writestr(zipfile.ZipInfo(path), text)
        return self._add(name, f"{name}-{version}{build and '-' + build}-py3-none-any.whl", archive.getvalue())

    def add_sdist(self, name: str, version: str, setup: str) -> str:
        """A source release whose `setup.py` is what is given."""
        archive = io.BytesIO()
        files = {"setup.py": setup, "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
        with tarfile.open(fileobj=archive, mode="w:gz") as source:
            for path, text in files.items():
                member = tarfile.TarInfo(f"{name}-{version}/{path}")
                member.size = len(text)
                source.addfile(member, io.BytesIO(text.encode()))
        return self._add(name, f"{name}-{version}.tar.gz", archive.getvalue())

    @contextmanager
    def served(self) -> Iterator[str]:
        """The address of the index while it is served; `fetched` lists the packages that were asked for."""
        handler = functools.partial(_Handler, self.fetched, directory=str(self.folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="package-index")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _add(self, name: str, file: str, content: bytes) -> str:
        (self.folder / "files" / file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        page = self.folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        before = page.read_text() if page.exists() else "<!DOCTYPE html>\n"
        page.write_text(f'{before}<a href="../../files/{file}#sha256={digest}">{file}</a>\n')
        return f"--hash=sha256:{digest}"


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, fetched: list[str], *arguments: Any, **options: Any) -> None:
        self._fetched = fetched
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        if "/files/" in self.path:
            self._fetched.append(self.path.rpartition("/")[2])
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Not to standard error."""


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
