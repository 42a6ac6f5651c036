"""Carries unary calls that wait for the same replica in one message."""
