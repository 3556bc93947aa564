"""The SQLite file: connection, numbered migrations, one small repository per table."""
