"""The database's shape, as numbered steps; a released step is never changed, only followed."""

from __future__ import annotations

from typing import Final

_BUCKETS = """
CREATE TABLE buckets (
    user_id TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    covered_seconds REAL NOT NULL,
    config_id TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    ui_label TEXT NOT NULL,
    core_label TEXT NOT NULL,
    smoothed_label TEXT NOT NULL,
    is_mixed INTEGER NOT NULL,
    is_rejected INTEGER NOT NULL,
    confidence REAL NOT NULL,
    entropy_bits REAL NOT NULL,
    settled INTEGER NOT NULL,
    feature_row BLOB NOT NULL,
    prediction TEXT NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (user_id, start_us)
) WITHOUT ROWID
"""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        _BUCKETS,
        "CREATE INDEX buckets_unsettled ON buckets (user_id, start_us) WHERE settled = 0",
        "CREATE INDEX buckets_change ON buckets (change)",
        "CREATE TABLE configs (config_id TEXT PRIMARY KEY, first_used_us INTEGER NOT NULL, content TEXT NOT NULL)",
        """CREATE TABLE blackouts (
            id INTEGER PRIMARY KEY,
            start_us INTEGER NOT NULL,
            end_us INTEGER,
            resume_us INTEGER,
            reason TEXT NOT NULL CHECK (reason IN ('pause', 'private'))
        )""",
        "CREATE UNIQUE INDEX blackouts_open ON blackouts (reason) WHERE end_us IS NULL",
        "CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)
