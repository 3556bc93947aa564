"""One file per command group; parses and prints, decides nothing."""
