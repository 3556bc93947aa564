"""Training loads LightGBM without scikit-learn, and scikit-learn can be loaded all the same."""

from __future__ import annotations

import subprocess
import sys

CHECK = """
import sys
import taskclf_tray.train.fit
assert "lightgbm" in sys.modules
assert not [name for name in sys.modules if name.partition(".")[0] in ("sklearn", "joblib")]
from sklearn.isotonic import IsotonicRegression
from taskclf_tray.train.lean_lightgbm import hidden
with hidden("sklearn"):
    import sklearn
try:
    with hidden("no_such_package"):
        import no_such_package
except ImportError:
    assert "no_such_package" not in sys.modules
"""


def test_training_does_not_pay_for_what_it_does_not_use() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
