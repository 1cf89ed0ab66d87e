"""Checking whole problems, here and in the background."""
