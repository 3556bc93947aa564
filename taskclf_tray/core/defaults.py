"""Default values of the contract (section 13), with the unit in each name."""

from __future__ import annotations

from typing import Final

MIXED_UNKNOWN: Final = "Mixed/Unknown"

DEFAULT_USER_ID: Final = "default-user"
"""The user of rows without a named user; the app itself always names the user of the installation."""
DEFAULT_BUCKET_SECONDS: Final = 60
DEFAULT_POLL_SECONDS: Final = 60
DEFAULT_LIVE_POLL_SECONDS: Final = 5
DEFAULT_AWAY_POLL_SECONDS: Final = 10
DEFAULT_GRACE_SECONDS: Final = 20
DEFAULT_IDLE_GAP_SECONDS: Final = 300
DEFAULT_SMOOTH_WINDOW: Final = 3
MIN_BLOCK_DURATION_SECONDS: Final = 180
DEFAULT_REJECT_THRESHOLD: Final = 0.55
DEFAULT_ASK_THRESHOLD: Final = 0.55
DEFAULT_MAX_ASKS_PER_DAY: Final = 20
DEFAULT_ASKS_PER_DAY: Final = 4
DEFAULT_TRANSITION_MINUTES: Final = 2
DEFAULT_IDLE_TRANSITION_MINUTES: Final = 1
DEFAULT_AW_HOST: Final = "http://localhost:5600"
DEFAULT_AW_TIMEOUT_SECONDS: Final = 10.0
DEFAULT_NUM_BOOST_ROUND: Final = 100
DEFAULT_MIN_CONFIDENCE_FOR_MAPPING: Final = 0.55
DEFAULT_GAP_FILL_SECONDS: Final = 2.0
DEFAULT_CATCH_UP_DAYS: Final = 7
DEFAULT_RETRAIN_DAYS: Final = 7
DEFAULT_RETRAIN_BLOCKS: Final = 30
DEFAULT_LOOK_BACK_DAYS: Final = 30
DEFAULT_REGRESSION_TOLERANCE: Final = 0.02


class DocumentedDefault(float):
    """A documented default that gives way to the value of a policy or a bundle; equal to its number."""


REJECT_THRESHOLD_OR_POLICY: Final = DocumentedDefault(DEFAULT_REJECT_THRESHOLD)
ASK_THRESHOLD_OR_POLICY: Final = DocumentedDefault(DEFAULT_ASK_THRESHOLD)
DEFAULT_PSI_THRESHOLD: Final = 0.2
DEFAULT_KS_ALPHA: Final = 0.05
DEFAULT_REJECT_INCREASE_THRESHOLD: Final = 0.10
DEFAULT_ENTROPY_MULTIPLIER: Final = 2.0
DEFAULT_CLASS_SHIFT_THRESHOLD: Final = 0.15

AWAY_RUN_SECONDS: Final = 300
"""The shortest away run that the idle rule turns into BreakIdle."""

LONGEST_CALL_SECONDS: Final = 3 * 3600
"""How long after the last input the model still decides a call window: the longest usual meeting."""

JOINING_SECONDS: Final = 60
"""The longest time from the click on a link to the call window, whose program has to start first."""

SETTLE_SECONDS: Final = 330
"""A bucket this far behind now can no longer be revised by the away watcher (its report is up to 185 s late)."""

HIGH_WATER_LEAD_SECONDS: Final = 300
"""The high-water mark never passes the newest event's end by more than this."""

LABEL_COPY_FILE: Final = "labels.csv"
"""The copy of the person's labels, beside the record."""

POLICY_FILE: Final = "inference_policy.json"
"""Which model is served, in the folder `models` of a home."""

METADATA_FILE: Final = "metadata.json"
"""The file of a bundle that describes its training."""

RECORD_FILE: Final = "tray.db"
"""The record, in the folder `tray` of a home."""
