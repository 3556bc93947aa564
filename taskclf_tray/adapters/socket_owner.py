"""Whose server listens on a port of this computer, from the kernel's own table (Linux).

Any local user may listen on a free port, so an address alone does not tell whose server answers there. The table
`/proc/net/tcp` has a row per socket: local address, remote address, state, and the owner's user id (proc(5)).
"""

from __future__ import annotations

import ipaddress
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED: Final = 0x01
_LISTEN: Final = 0x0A
_MAX_TABLE_BYTES: Final = 16 * 1024 * 1024

Address = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]


class _Row(NamedTuple):
    local: Address
    remote: Address
    state: int
    user: int
    inode: int


def server_owner(connection: socket.socket) -> int | None:
    """User id of the server at the other end of a connection within this computer; None when it cannot be told.

    The listening socket tells it; where that is closed by now, the accepted one.
    """
    if sys.platform != "linux":
        return None
    try:
        server, client = _address(connection.getpeername()), _address(connection.getsockname())
        rows = [row for table in TABLES for row in _rows(table, server[1])]
    except (OSError, ValueError):
        return None
    for row in rows:
        if row.state == _LISTEN and row.local[1] == server[1] and _listens_for(row.local[0], server[0]):
            return row.user
    for row in rows:  # one that nobody has accepted yet has no inode, and no owner
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
    """The sockets at a local port; a busy machine has thousands of others, which are not parsed."""
    try:
        with table.open("rb") as file:
            content = file.read(_MAX_TABLE_BYTES)
    except FileNotFoundError:  # a kernel without IPv6
        return
    for line in re.findall(rb"^ *\d+: [0-9A-F]+:%04X .*$" % local_port, content, re.MULTILINE):
        words = line.decode("ascii").split()
        yield _Row(_endpoint(words[1]), _endpoint(words[2]), int(words[3], 16), int(words[7]), int(words[9]))


def _endpoint(text: str) -> Address:
    """`0100007F:15E0`: the address in words of 32 bits, each in this machine's byte order; then the port."""
    digits, port = text.split(":")
    words = [int(digits[k : k + 8], 16).to_bytes(4, sys.byteorder) for k in range(0, len(digits), 8)]
    return _plain(ipaddress.ip_address(b"".join(words))), int(port, 16)


def _address(name: tuple[str, int]) -> Address:
    return _plain(ipaddress.ip_address(name[0].partition("%")[0])), name[1]


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address written as an IPv6 one as itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped
