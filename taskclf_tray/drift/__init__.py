"""Whether the work still looks as it did: the check, its statistics, and the sentences told of it."""
