"""The tests. Some of them use simulated people as the maker of the starter model does, which lies in `packaging/`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "packaging"))  # that folder is no package
