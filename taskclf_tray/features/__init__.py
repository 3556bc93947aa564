"""Events to feature rows; pure functions."""
