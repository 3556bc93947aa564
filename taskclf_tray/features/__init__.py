"""Events to feature rows: pure functions, one idea a file; `build` is the way in."""
