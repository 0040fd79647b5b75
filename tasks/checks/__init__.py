"""Checks and gates of the sum of a family or a system; they stand above the stages and use several of them."""
