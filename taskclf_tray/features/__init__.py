"""Features: pure functions from events to rows, one idea per file; `build` is the entry point."""
