"""Python runs this at start-up when its folder is on PYTHONPATH: it holds one import, so that a test can act during it.

`HELD_IMPORT` names the module. When its import begins, the process writes its id into the FIFO `HELD_SAYS`, and goes
on when somebody has opened the FIFO `HELD_GOES_ON` for writing.
"""

from __future__ import annotations

import os
import select
import sys


class Hold:
    """The first of the finders; it finds nothing, it only waits."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name != os.environ["HELD_IMPORT"]:
            return
        said = os.open(os.environ["HELD_SAYS"], os.O_WRONLY)
        os.write(said, f"{os.getpid()}\n".encode())
        os.close(said)
        goes_on = os.open(os.environ["HELD_GOES_ON"], os.O_RDONLY | os.O_NONBLOCK)
        while not select.select([goes_on], [], [], 0.05)[
            0
        ]:  # short: a signal just before a system call does not end it
            pass
        os.close(goes_on)


sys.meta_path.insert(0, Hold())  # type: ignore[arg-type]
