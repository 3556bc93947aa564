"""What the processes of all jobs have in common: a request in JSON, and JSON lines as the output.

The lines are `{"event": "progress", "done", "total"}`, `{"event": "warning", "text"}`, `{"event": "writing"}` where the
job can still be stopped without a trace, and at last `{"event": "done", …}` or
`{"event": "error", "title", "next_step"}`. `jobs/child.py` reads them. A job works on files and on the record; it is
kept off the network, whatever a library tries.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final

from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.zones import UPDATE_STEP, unknown_zones, unknown_zones_note
from taskclf_tray.system.stop_signals import end_at_once, exit_code

Run = Callable[[dict[str, Any], ProgressCallback], dict[str, Any]]

_CONTACTS: Final = frozenset({"socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto"})
_QUESTIONS: Final = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname", "socket.getnameinfo"}
)


class NetworkRefusedError(TaskclfError):
    """A job tried to reach the network."""


def serve(run: Run, arguments: Sequence[str] | None, *, what: str) -> int:
    """Run the request of the command line; `what` names the job. Returns 0 when done, 1 after a reported error."""
    end_at_once()  # Ctrl-C in a terminal reaches us too
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the prints of a library are no events
    logging.getLogger().addHandler(logging.NullHandler())
    sys.addaudithook(_refuse_network)

    def say(event: dict[str, Any]) -> None:
        try:
            lines.write(json.dumps(event) + "\n")
            lines.flush()
        except BrokenPipeError:  # the parent has died: end, and remove what is half written
            os.dup2(os.open(os.devnull, os.O_WRONLY), lines.fileno())  # else closing the pipe fails too, aloud
            raise SystemExit(exit_code(signal.SIGTERM)) from None

    request: dict[str, Any] = json.loads((sys.argv[1:] if arguments is None else arguments)[0])
    try:
        answer = run(request, say)
        note = unknown_zones_note(unknown_zones())
        if note is not None:
            say({"event": "warning", "text": f"{note} {UPDATE_STEP}"})
        say({"event": "done", **answer})
        return 0
    except TaskclfError as error:
        # what stands behind the title in str(error): the next step, and of a resolution the bundles passed over
        further = str(error).removeprefix(error.title).strip()
        say({"event": "error", "title": error.title, "next_step": further})
    except Exception as error:  # noqa: BLE001 - the edge of the process: it is said, not swallowed
        if request.get("is_debug"):
            traceback.print_exc()
        title = f"Something unexpected went wrong in the {what} ({type(error).__name__})."
        say({"event": "error", "title": title, "next_step": "--debug shows where."})
    return 1


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook before each such call. Sockets between processes of this computer stay allowed."""
    if event in _QUESTIONS or (event in _CONTACTS and arguments[0].family in (socket.AF_INET, socket.AF_INET6)):
        raise NetworkRefusedError(f"The work was stopped: something in it wanted to reach the network ({event}).")
