"""Work in a child process: how it is started, and the module each job runs."""
