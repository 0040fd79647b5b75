"""Checks that a store holds what was written: files, links between versions, labels, tags."""
