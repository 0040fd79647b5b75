"""Figures of time and memory, printed and never judged."""
