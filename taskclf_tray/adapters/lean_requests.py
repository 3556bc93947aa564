"""requests, imported without its character detection.

requests can guess the encoding of a text that does not name one, and loads charset_normalizer for it: 3 MiB resident
in a program that only ever reads JSON, which is UTF-8. Without the package requests works the same and warns once at
import; both are kept to this file. A program that has imported requests before keeps it as it was.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

_DETECTORS: Final = ("charset_normalizer", "chardet")


def _import() -> ModuleType:
    absent: dict[str, Any] = {name: None for name in _DETECTORS if name not in sys.modules}
    sys.modules.update(absent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("requests")
    finally:
        for name in absent:
            sys.modules.pop(name, None)


if TYPE_CHECKING:
    import requests
else:
    requests = _import()

__all__ = ["requests"]
