"""Gates: what a candidate must show before it is released, one file per gate."""
