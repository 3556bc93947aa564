"""requests with connections that end at a given moment.

A socket's own timeout restarts with every byte, so a server that trickles could hold a request for
hours.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import requests
import requests.adapters
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.connection import create_connection
from urllib3.util.ssl_ import create_urllib3_context

__all__ = ["LOCALHOST", "LONGEST_CONNECT_SECONDS", "Deadline", "DeadlineAdapter"]

_STEP_SECONDS: Final = 0.5
LONGEST_CONNECT_SECONDS: Final = 4.0
"""The limit for accepting a connection, so that a program that stops need not wait longer."""
LOCALHOST: Final = ("127.0.0.1", "::1")
"""The addresses of `localhost`, in the order of the attempts."""


if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Deadline:
    """A moment on the monotonic clock, moved before each request. Any thread may call `interrupt`."""

    def __init__(self) -> None:
        self.at = 0.0
        self.is_interrupted = False

    def interrupt(self) -> None:
        """Make this request and every later one end at once, because the program stops."""
        self.is_interrupted = True

    def begin(self, seconds: float) -> None:
        """Set the deadline this many seconds from now."""
        self.at = time.monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        """Seconds until the deadline; at least 0.001, because sockets misread zero."""
        return max(0.001, self.at - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed, or `interrupt` was called."""
        return self.is_interrupted or time.monotonic() >= self.at


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """An adapter for http and https that ends every read at the deadline and never retries.

    `check`: called with each new connection before anything is sent; its exception ends the request. `localhost` is
    127.0.0.1 first: ActivityWatch listens only there, while many systems resolve ::1 first, where any user could
    listen.
    """

    def __init__(self, deadline: Deadline, check: Callable[[socket.socket], None] | None = None) -> None:
        self._deadline = deadline
        self._check = check
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give connections the deadline and the check."""
        deadline, check = self._deadline, self._check
        super().init_poolmanager(*args, **kwargs, ssl_context=_context(deadline))

        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _DeadlineSocket(_checked(_connect(self), check), deadline)

        class SecureConnection(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _checked(_connect(self), check)

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = SecureConnection

        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}


def _connect(connection: HTTPConnection) -> socket.socket:
    options = connection.socket_options
    hosts = LOCALHOST if connection.host.rstrip(".").lower() == "localhost" else (connection.host,)
    for host in hosts:
        try:
            return create_connection((host, connection.port), _connect_seconds(connection), None, options)
        except OSError:
            if host == hosts[-1]:
                raise
    raise AssertionError("there is at least one host")


def _connect_seconds(connection: HTTPConnection) -> float:
    given = connection.timeout
    return min(given, LONGEST_CONNECT_SECONDS) if isinstance(given, int | float) else LONGEST_CONNECT_SECONDS


def _checked(plain: socket.socket, check: Callable[[socket.socket], None] | None) -> socket.socket:
    try:
        if check is not None:
            check(plain)
    except BaseException:
        plain.close()
        raise
    return plain


def _context(deadline: Deadline) -> ssl.SSLContext:
    """Return the default context with sockets that end every read at the deadline."""

    class Socket(ssl.SSLSocket):
        def recv_into(
            self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0
        ) -> int:  # a socket that is being replaced has no deadline of its own
            return _by_deadline(self, deadline, lambda: super(Socket, self).recv_into(buffer, nbytes, flags))

    context = create_urllib3_context()
    context.sslsocket_class = Socket
    return context


def _by_deadline(connection: socket.socket, deadline: Deadline, receive: Callable[[], int]) -> int:
    """Receive in short waits, so that an interrupt is noticed. Raises TimeoutError at the deadline."""
    while not deadline.is_over:
        connection.settimeout(min(_STEP_SECONDS, deadline.left_seconds))
        try:
            return receive()
        except TimeoutError:
            continue
    raise TimeoutError("the deadline has passed")


class _DeadlineSocket(socket.socket):
    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self._deadline = deadline

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        return _by_deadline(self, self._deadline, lambda: super(_DeadlineSocket, self).recv_into(buffer, nbytes, flags))
