"""Training; runs in a child process."""
