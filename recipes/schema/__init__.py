"""The recipe as frozen models: every field with its default, its unit, and its check."""
