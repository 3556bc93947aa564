"""The app, which waits a second for its panel: `python -m tests.support.impatient_app demo`."""

from __future__ import annotations

import sys

from taskclf_tray.cli.main import main
from taskclf_tray.ui import tray

if __name__ == "__main__":
    tray.PANEL_PATIENCE_SECONDS = 1.0
    sys.exit(main())
