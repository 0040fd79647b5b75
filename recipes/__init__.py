"""Recipes: their models, the shipped TOML recipes, and the cost estimate."""
