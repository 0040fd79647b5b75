"""The ways to make frames, one file each."""
