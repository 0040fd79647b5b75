"""Selection: representative training and test configurations from a pool."""
