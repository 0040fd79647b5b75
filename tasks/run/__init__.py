"""A run of a recipe, without Prefect: its checks, its plan, its costs, and how far it has come."""
