"""What is seen: tray icon, menu, terminal output."""
