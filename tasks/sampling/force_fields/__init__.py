"""Where the forces of the sampling come from."""
