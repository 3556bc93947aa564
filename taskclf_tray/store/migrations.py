"""The schema of the database, as numbered migrations; a released migration never changes."""

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

_LABEL_SPANS = """
CREATE TABLE label_spans (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL CHECK (start_us < end_us),
    label TEXT NOT NULL,
    provenance TEXT NOT NULL CHECK (provenance IN ('manual', 'answer', 'import', 'auto')),
    confidence REAL,
    created_us INTEGER NOT NULL,
    undone_us INTEGER,
    made_by INTEGER NOT NULL REFERENCES label_changes (id),
    taken_by INTEGER REFERENCES label_changes (id),
    is_growing INTEGER NOT NULL DEFAULT 0
)
"""

_LABEL_CHANGES = """
CREATE TABLE label_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('label', 'answer', 'skip', 'import', 'erase', 'merge', 'auto')),
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    label TEXT,
    undone_us INTEGER
)
"""

_LABEL_REQUESTS = """
CREATE TABLE label_requests (
    request_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL CHECK (start_us < end_us),
    reason TEXT NOT NULL CHECK (reason IN ('low_confidence', 'drift', 'audit', 'gap')),
    confidence REAL,
    predicted_label TEXT,
    second_label TEXT,
    created_us INTEGER NOT NULL,
    local_day TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'labeled', 'skipped')),
    closed_by INTEGER REFERENCES label_changes (id),
    UNIQUE (user_id, start_us)
) WITHOUT ROWID
"""

_ASKS = """
CREATE TABLE asks (
    id INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    local_day TEXT NOT NULL,
    is_random INTEGER NOT NULL,
    outcome TEXT CHECK (outcome IN ('answered', 'skipped', 'dismissed', 'other', 'never')),
    outcome_us INTEGER
)
"""

_CLOCK_CHANGES = """
CREATE TABLE clock_changes (
    id INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    found_us INTEGER NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    is_certain INTEGER NOT NULL,
    boot_id TEXT,
    boot_us INTEGER,
    is_noted INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT '{}',
    returned_us INTEGER
)
"""

_AHEAD_BUCKETS = """
CREATE TABLE ahead_buckets (
    clock_change INTEGER NOT NULL REFERENCES clock_changes (id),
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
    PRIMARY KEY (clock_change, user_id, start_us)
) WITHOUT ROWID
"""
"""Minutes that a clock recorded before it was put back: apart from the record, under the change that was found."""

_AHEAD_REQUESTS = """
CREATE TABLE ahead_requests (
    clock_change INTEGER NOT NULL REFERENCES clock_changes (id),
    request_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    reason TEXT NOT NULL,
    confidence REAL,
    predicted_label TEXT,
    second_label TEXT,
    created_us INTEGER NOT NULL,
    local_day TEXT NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (clock_change, request_id)
) WITHOUT ROWID
"""

_AHEAD_EVENTS = """
CREATE TABLE ahead_events (
    clock_change INTEGER NOT NULL REFERENCES clock_changes (id),
    stream TEXT NOT NULL,
    event_id INTEGER NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (clock_change, stream, event_id)
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
    (
        _LABEL_CHANGES,
        "CREATE INDEX label_changes_undoable ON label_changes (user_id, id) WHERE undone_us IS NULL",
        "CREATE INDEX label_changes_time ON label_changes (user_id, at_us)",
        _LABEL_SPANS,
        "CREATE INDEX label_spans_in_force ON label_spans (user_id, start_us) "
        "WHERE taken_by IS NULL AND undone_us IS NULL",
        "CREATE INDEX label_spans_growing ON label_spans (user_id, start_us) "
        "WHERE is_growing AND taken_by IS NULL AND undone_us IS NULL",
        "CREATE INDEX label_spans_undone ON label_spans (undone_us) WHERE undone_us IS NOT NULL",
        "CREATE INDEX label_spans_made ON label_spans (made_by)",
        "CREATE INDEX label_spans_taken ON label_spans (taken_by) WHERE taken_by IS NOT NULL",
        _LABEL_REQUESTS,
        "CREATE INDEX label_requests_pending ON label_requests (user_id, start_us) WHERE status = 'pending'",
        "CREATE INDEX label_requests_day ON label_requests (user_id, local_day)",
        "CREATE INDEX label_requests_closed ON label_requests (closed_by) WHERE closed_by IS NOT NULL",
        _ASKS,
        "CREATE INDEX asks_time ON asks (user_id, at_us)",
    ),
    (
        _CLOCK_CHANGES,
        _AHEAD_BUCKETS,
        "CREATE INDEX ahead_buckets_change ON ahead_buckets (change)",
        _AHEAD_REQUESTS,
        _AHEAD_EVENTS,
        "ALTER TABLE label_spans ADD COLUMN ahead INTEGER REFERENCES clock_changes (id)",
        "CREATE INDEX label_spans_ahead ON label_spans (ahead) WHERE ahead IS NOT NULL",
    ),
    (
        "ALTER TABLE buckets ADD COLUMN checksum INTEGER",
        "ALTER TABLE ahead_buckets ADD COLUMN checksum INTEGER",
    ),
)
