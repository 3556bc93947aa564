"""The taxonomy a person starts from: one bucket per core label, so that nothing changes before it is edited."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.taxonomy_file import DEFAULT_COLORS

_HEAD: Final = """\
# Your own categories for the eight labels of the model.
#
# Each bucket below is one category: rename it, give it another color, or let it hold several core labels; then
# remove the buckets whose label you moved. A label that is in no bucket is shown as Other.
# As it stands this file changes nothing: every label is a category of its own, with its own name.
#
# A save is checked at once. A valid file counts for all days, the past ones too; with an invalid one the previous
# categories stay, and a notification names the line and the key. Removing the file brings the core labels back.

version: "1.0"
label_schema_version: labels_v1

reject:
  # What minutes are called that the model is not sure of.
  mixed_label_name: Mixed/Unknown
  # Whether reports count them.
  include_rejected_in_reports: false

buckets:
"""
_BUCKET: Final = """\
  - name: {label}
    core_labels: [{label}]
    color: "{color}"
"""
_TAIL: Final = """
  # One category for several labels looks like this:
  # - name: Deep Work
  #   description: Work that wants quiet
  #   core_labels: [Build, Debug, Write]
  #   color: "#2E86DE"

advanced:
  # The probability of a category: the sum of its labels' (sum) or the highest of them (max).
  probability_aggregation: sum
  # A category less probable than this is shown as Mixed/Unknown. With 0 only the reject threshold of the inference
  # policy decides, as it does without this file; 0.55 is usual for categories of several labels.
  min_confidence_for_mapping: 0.0
  # How much a label counts in its category, 1.0 where it is not named, such as {Meet: 1.5}.
  reweight_core_labels: {}
"""


def starter_taxonomy_text() -> str:
    """The commented file; it shows every minute as the core labels alone would."""
    colors = zip(LABEL_SET_V1, DEFAULT_COLORS, strict=True)
    return _HEAD + "".join(_BUCKET.format(label=label, color=color) for label, color in colors) + _TAIL


def write_starter_taxonomy(path: Path, *, overwrite: bool = False) -> bool:
    """Write the starter file; whether it was written. An existing file stays unless `overwrite`. Raises OSError."""
    if not overwrite and (path.exists() or path.is_symlink()):
        return False
    write_text_atomic(path, starter_taxonomy_text())
    return True
