"""What a log may say of an error nobody foresaw."""

from __future__ import annotations

import traceback
from pathlib import Path


def describe_bug(error: BaseException) -> str:
    """Type and place of an unexpected error, innermost frame last.

    Never its message: that may quote the value it tripped over, and a value may be a window title.
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    return " > ".join([*places, type(error).__name__])
