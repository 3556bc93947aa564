"""What Windows tells a program that wants to notify (SHQueryUserNotificationState). Written, not run."""

from __future__ import annotations

import ctypes
from typing import Any, Final

from taskclf_tray.system.attention import Attention

_FULL_SCREEN: Final = frozenset({2, 3, 4})  # QUNS_BUSY, QUNS_RUNNING_D3D_FULL_SCREEN, QUNS_PRESENTATION_MODE
_QUIET_TIME: Final = 6


def shell_state() -> Attention:
    """The shell's answer; Attention() when it has none."""
    state = ctypes.c_int(0)
    shell: Any = ctypes.windll.shell32  # type: ignore[attr-defined, unused-ignore]
    if shell.SHQueryUserNotificationState(ctypes.byref(state)) != 0:
        return Attention()
    return attention_of(state.value)


def attention_of(state: int) -> Attention:
    """A QUERY_USER_NOTIFICATION_STATE in our words."""
    return Attention(is_full_screen=state in _FULL_SCREEN, is_do_not_disturb=state == _QUIET_TIME)
