"""Small named values of the app, and what each config id stood for."""

from __future__ import annotations

import sqlite3


class StateRepository:
    """The table `state`: one text per name."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> str | None:
        """The value, None when never set."""
        row = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def has_prefix(self, prefix: str) -> bool:
        """Whether any name begins with `prefix`."""
        query = "SELECT 1 FROM state WHERE substr(name, 1, ?) = ? LIMIT 1"
        return self._connection.execute(query, (len(prefix), prefix)).fetchone() is not None

    def with_prefix(self, prefix: str) -> list[tuple[str, str]]:
        """Name and value of all whose name begins with `prefix`."""
        query = "SELECT name, value FROM state WHERE substr(name, 1, ?) = ? ORDER BY name"
        return [(str(name), str(value)) for name, value in self._connection.execute(query, (len(prefix), prefix))]

    def set(self, name: str, value: str) -> None:
        """Set or replace."""
        self._connection.execute("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", (name, value))

    def remove(self, name: str) -> None:
        """Forget it; nothing happens when it was never set."""
        self._connection.execute("DELETE FROM state WHERE name = ?", (name,))


class ConfigRepository:
    """The table `configs`: what was in force when a bucket was predicted (model, thresholds, taxonomy)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def remember(self, config_id: str, content: str, now_us: int) -> None:
        """Keep the first description of this id."""
        self._connection.execute(
            "INSERT OR IGNORE INTO configs (config_id, first_used_us, content) VALUES (?, ?, ?)",
            (config_id, now_us, content),
        )

    def get(self, config_id: str) -> str | None:
        """The description, None when unknown."""
        row = self._connection.execute("SELECT content FROM configs WHERE config_id = ?", (config_id,)).fetchone()
        return None if row is None else str(row[0])
