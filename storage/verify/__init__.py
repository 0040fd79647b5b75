"""Checks that what a store keeps is what was written: files, how they hang together, labels, tags."""
