"""Python runs this at start-up when its folder is on PYTHONPATH: no scikit-learn, as where the app is installed.

Only tests use it. LightGBM imports it where it finds it, which takes 1.6 s of the 2.5 s that its own import takes.
"""

from __future__ import annotations

import sys

sys.modules["sklearn"] = None  # type: ignore[assignment]
