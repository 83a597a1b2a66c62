"""The HTTP door: parse, accept, answer. Knows no provider and runs no task."""
