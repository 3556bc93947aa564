"""One file per command group, or per two small ones; parses and prints, decides nothing."""
