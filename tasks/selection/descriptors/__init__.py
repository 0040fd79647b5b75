"""The descriptors of frames, one file each."""
