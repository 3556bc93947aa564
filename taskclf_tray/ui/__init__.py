"""The tray, its worker, and every sentence the user reads."""
