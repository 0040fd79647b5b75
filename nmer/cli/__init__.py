"""The `nmer` command."""
