"""Recipes that are written: those of the papers, and a user's own."""
