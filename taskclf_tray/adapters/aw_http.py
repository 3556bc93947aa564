"""GET requests to an ActivityWatch server, with every failure mapped to an error of this program.

aw-client is not used: it has no timeouts, so a stopped server would block it for ever (measured).

Any local user may listen on a free port, so the address alone does not identify the server. On Linux the kernel does:
`/proc/net/tcp` has one row per socket with the local address, the remote address, the state, and the owner's user id
(proc(5)).
"""

from __future__ import annotations

import ipaddress
import json
import random
import re
import socket
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import platformdirs
import requests

from taskclf_tray.adapters.deadline import Deadline, DeadlineAdapter
from taskclf_tray.core.errors import (
    AWAuthError,
    AWConnectionError,
    AWForeignServerError,
    AWNotFoundError,
    AWProtocolError,
    AWTimeoutError,
    ConfigError,
)
from taskclf_tray.core.private_files import own_user
from taskclf_tray.core.strict_json import BadJsonError, read_bounded

MAX_RESPONSE_BYTES: Final = 16 * 1024 * 1024
"""A day of events is about 3 MB; a larger response is not ActivityWatch's."""

MAX_RESPONSE_VALUES: Final = 400_000
"""Objects and lists in a response; a day of events has about 40,000. Each takes far more memory than its text."""

MAX_ATTEMPTS: Final = 3
_FIRST_PAUSE_SECONDS: Final = 0.1
_CHUNK_BYTES: Final = 64 * 1024
_KEY_FILES: Final = {"config.toml": 5600, "config-testing.toml": 5666}
"""The configuration files of aw-server-rust, and the port each server has where its file names none."""
_MAX_KEY_FILE_BYTES: Final = 1_000_000
_NOT_JSON: Final = object()

_SOCKET_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED: Final = 0x01
_LISTEN: Final = 0x0A
_MAX_TABLE_BYTES: Final = 16 * 1024 * 1024

Address = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]


class _ServerFailureError(AWProtocolError):
    """A 5xx response, which may be gone a moment later."""


class AWClient:
    """Sends requests to one server. Refused connections and 5xx are tried three times, all within `timeout_seconds`.

    Proxies and .netrc are ignored and redirects are not followed, so that titles take no detour.

    Args:
        host: an http or https address without a path. On Linux a server on this computer must belong to the person or
            root.
        api_key: sent as `Authorization: Bearer`; by default the key in the configuration of the server on this
            computer, when `host` is that server's address.
        timeout_seconds: limit for a request with its retries.

    Raises:
        ConfigError: `host` is not such an address.
    """

    def __init__(self, host: str, *, api_key: str | None = None, timeout_seconds: float = 10.0) -> None:
        self.base_url = checked_host(host)
        self.is_loopback = is_loopback(self.base_url)
        self._timeout_seconds = timeout_seconds
        self._deadline = Deadline()
        self._session = requests.Session()
        self._session.trust_env = False
        self._key_of_server = None if api_key else configured_key(self.base_url)
        adapter = DeadlineAdapter(self._deadline, self._check_owner if self.is_loopback else None)
        self._session.mount(f"{urlsplit(self.base_url).scheme}://", adapter)
        key = api_key or self._key_of_server
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def __repr__(self) -> str:
        return f"AWClient({self.base_url!r})"

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the JSON at `/api/0/<path>` within `timeout_seconds`.

        Raises AWConnectionError, AWTimeoutError, AWNotFoundError, AWAuthError, AWForeignServerError or AWProtocolError.
        """
        self._deadline.begin(self._timeout_seconds)
        for pause in _pauses():
            try:
                return self._once(path, params)
            except (AWConnectionError, _ServerFailureError):
                if pause is None or pause >= self._deadline.left_seconds:
                    raise
            time.sleep(pause)
        raise AssertionError("the last pause is None")

    def interrupt(self) -> None:
        """Make the current request and every later one end within a second; callable from any thread."""
        self._deadline.interrupt()

    def keep_going(self) -> None:
        """Raise AWTimeoutError once `interrupt` was called; for long work on a response."""
        if self._deadline.is_interrupted:
            raise self._too_slow()

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def _once(self, path: str, params: Mapping[str, str] | None) -> Any:
        url = f"{self.base_url}/api/0/{path}"
        try:
            with self._session.get(
                url, params=params, timeout=self._deadline.left_seconds, stream=True, allow_redirects=False
            ) as response:
                _check_status(response.status_code, self.base_url)
                body = self._body(response)
        except requests.exceptions.Timeout as error:
            raise self._too_slow() from error
        except (requests.exceptions.RequestException, OSError) as error:
            if self._deadline.is_over:
                raise self._too_slow() from error
            if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
                raise _not_activitywatch(self.base_url) from error
            raise AWConnectionError(
                f"No ActivityWatch server answers at {self.base_url}.",
                "Start ActivityWatch, or correct aw_host in config.toml.",
            ) from error
        value = _parsed(body)
        if value is _NOT_JSON:  # raised here, for the parser's own error holds the whole text
            raise _not_activitywatch(self.base_url)
        return value

    def _check_owner(self, connection: socket.socket) -> None:
        """Refuse a server of another user of this computer before anything is sent."""
        owner, user = server_owner(connection), own_user()
        if owner is not None and owner not in (0, user):
            raise AWForeignServerError(
                f"The server at {self.base_url} belongs to another user of this computer (user id {owner}).",
                "Start ActivityWatch under your own account, or correct aw_host in config.toml.",
            )
        if owner is None and self._key_of_server and sys.platform == "linux":
            raise AWForeignServerError(
                f"The owner of the server at {self.base_url} is unknown, so it does not get ActivityWatch's key.",
                "If the server is yours, copy the key from its config.toml into aw_api_key in ours.",
            )

    def _body(self, response: requests.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_content(_CHUNK_BYTES):
            size += len(part)
            if size > MAX_RESPONSE_BYTES:
                raise _not_activitywatch(self.base_url)
            if self._deadline.is_over:
                raise self._too_slow()
            parts.append(part)
        body = b"".join(parts)
        if body.count(b"{") + body.count(b"[") > MAX_RESPONSE_VALUES:
            raise _not_activitywatch(self.base_url)
        return body

    def _too_slow(self) -> AWTimeoutError:
        return AWTimeoutError(
            f"The ActivityWatch server at {self.base_url} did not answer within {self._timeout_seconds:g} s.",
            "Restart ActivityWatch; reading resumes when it answers.",
        )


def checked_host(host: str) -> str:
    """Return the address without a trailing slash.

    Raises ConfigError unless it is the http or https address of a server.
    """
    try:
        parts = urlsplit(host.strip())
        is_good = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port or 1) > 0
            and parts.path in ("", "/")
            and not (parts.query or parts.fragment or parts.username or parts.password)
        )
    except ValueError:
        is_good = False
    if not is_good:
        raise ConfigError(
            "aw_host is not the address of an ActivityWatch server.",
            "Set it to something like http://localhost:5600, without a path or a password.",
        )
    return host.strip().rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether the address stays on this machine."""
    name = urlsplit(url).hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def configured_key(base_url: str, folder: Path | None = None) -> str | None:
    """Return the key in the configuration of aw-server-rust (`[auth] api_key`), for that server's own address only.

    `folder`: where the configuration is. None when the address is not on this computer, has another port than the
    configured one (5600, with `--testing` 5666), or when no key is readable.
    """
    if not is_loopback(base_url):
        return None
    folder = folder or Path(platformdirs.user_config_dir("activitywatch", False)) / "aw-server-rust"
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for name, usual_port in _KEY_FILES.items():
        try:
            content = tomllib.loads(read_bounded(folder / name, _MAX_KEY_FILE_BYTES).decode())
        except (BadJsonError, ValueError):  # not there, not ours to read, not TOML: then no key
            continue
        key = _key_in(content.get("auth"))
        if key is not None and content.get("port", usual_port) == port:
            return key
    return None


def _key_in(section: object) -> str | None:
    key = section.get("api_key") if isinstance(section, dict) else None
    return key if isinstance(key, str) and key.isascii() and key.isprintable() and key.strip() else None


def _pauses() -> list[float | None]:
    """Return the seconds to wait after each failed try, None after the last; random, so that clients do not
    synchronise.
    """
    waits = (_FIRST_PAUSE_SECONDS * 2**k * random.uniform(0.5, 1.5) for k in range(MAX_ATTEMPTS - 1))  # noqa: S311
    return [*waits, None]


def _check_status(status: int, base_url: str) -> None:
    if status == 200:
        return
    if status in (401, 403):
        raise AWAuthError(
            f"The ActivityWatch server at {base_url} requires an API key, or refuses the one it received.",
            "Copy the key from the server's config.toml ([auth] api_key) into aw_api_key in ours.",
        )
    if status == 404:
        raise AWNotFoundError(
            f"The ActivityWatch server at {base_url} does not have the requested data.",
            "Check that the watchers are running; the app keeps looking.",
        )
    if status >= 500:
        raise _ServerFailureError(
            f"The ActivityWatch server at {base_url} failed (HTTP {status}).", "Look at its log, or restart it."
        )
    raise _not_activitywatch(base_url, f" (HTTP {status})")


def _not_activitywatch(base_url: str, detail: str = "") -> AWProtocolError:
    return AWProtocolError(
        f"The program at {base_url} is not an ActivityWatch server{detail}.",
        "Check aw_host in config.toml; another program may use this port.",
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


class _Row(NamedTuple):
    local: Address
    remote: Address
    state: int
    user: int
    inode: int


def server_owner(connection: socket.socket) -> int | None:
    """Return the user id of the server behind a connection within this computer; None when it cannot be determined.

    The listening socket has it; when that one is closed, the accepted one.
    """
    if sys.platform != "linux":
        return None
    try:
        server, client = _address(connection.getpeername()), _address(connection.getsockname())
        rows = [row for table in _SOCKET_TABLES for row in _rows(table, server[1])]
    except (OSError, ValueError):
        return None
    for row in rows:
        if row.state == _LISTEN and row.local[1] == server[1] and _listens_for(row.local[0], server[0]):
            return row.user
    for row in rows:  # a connection that is not accepted yet has no inode and no owner
        if row.state == _ESTABLISHED and row.inode and (row.local, row.remote) == (server, client):
            return row.user
    return None


def _listens_for(
    listener: ipaddress.IPv4Address | ipaddress.IPv6Address, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> bool:
    return listener == address or (
        int(listener) == 0 and (listener.version == address.version or listener.version == 6)
    )


def _rows(table: Path, local_port: int) -> Iterator[_Row]:
    """Yield the sockets at a local port; a busy machine has thousands of others, which are not parsed."""
    try:
        with table.open("rb") as file:
            content = file.read(_MAX_TABLE_BYTES)
    except FileNotFoundError:  # a kernel without IPv6
        return
    for line in re.findall(rb"^ *\d+: [0-9A-F]+:%04X .*$" % local_port, content, re.MULTILINE):
        words = line.decode("ascii").split()
        yield _Row(_endpoint(words[1]), _endpoint(words[2]), int(words[3], 16), int(words[7]), int(words[9]))


def _endpoint(text: str) -> Address:
    """Parse `0100007F:15E0`: the address in words of 32 bits, each in this machine's byte order; then the port."""
    digits, port = text.split(":")
    words = [int(digits[k : k + 8], 16).to_bytes(4, sys.byteorder) for k in range(0, len(digits), 8)]
    return _plain(ipaddress.ip_address(b"".join(words))), int(port, 16)


def _address(name: tuple[str, int]) -> Address:
    return _plain(ipaddress.ip_address(name[0].partition("%")[0])), name[1]


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an IPv4 address for one that is mapped into IPv6."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped
