"""Simulation of a person, for the demo, the starter model and the tests."""
