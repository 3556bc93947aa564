"""HTTP connections that end at a given moment, however slowly the other side sends.

A socket's own timeout starts anew with every byte that comes, so a server that trickles could hold a request for hours.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from taskclf_tray.adapters.lean_requests import requests

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Deadline:
    """A moment on the monotonic clock, moved before each request."""

    def __init__(self) -> None:
        self.at = 0.0

    def begin(self, seconds: float) -> None:
        """From now on this long."""
        self.at = time.monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        """What is left of it; never zero or less, which sockets would misread."""
        return max(0.001, self.at - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self.at


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """Mounted for http, it ends every read at the deadline. No retries of its own.

    https sockets are replaced when they are encrypted, so there only each single read is limited.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give connections the deadline."""
        super().init_poolmanager(*args, **kwargs)
        deadline = self._deadline

        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _DeadlineSocket(super()._new_conn(), deadline)

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": HTTPSConnectionPool}


class _DeadlineSocket(socket.socket):
    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self._deadline = deadline

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        if self._deadline.is_over:
            raise TimeoutError("the deadline has passed")
        self.settimeout(self._deadline.left_seconds)
        return super().recv_into(buffer, nbytes, flags)
