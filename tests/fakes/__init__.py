"""Fakes and fixtures driven from outside."""
