"""Stand-ins for what the app talks to on a desktop: a bus, a panel, a notification service, a whole desktop."""
