"""A scripted person, for the demo, the starter model and the tests."""
