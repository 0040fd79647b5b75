"""Validation: errors, gates, the parity plot, and the report."""
