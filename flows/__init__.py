"""In what order: the Prefect flows."""
