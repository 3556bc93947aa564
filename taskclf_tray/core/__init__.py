"""Values and functions for every room: labels, time, schemas, defaults, errors, files, settings."""
