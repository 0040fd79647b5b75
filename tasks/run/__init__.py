"""A run of a recipe as a whole, over all stages: its checks, its costs, and how far it has come."""
