"""What to make: the recipe's models, the shipped TOML recipes, and the cost estimate."""
