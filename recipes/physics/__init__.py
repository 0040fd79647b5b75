"""Parameters of V_phys as TOML: ``NAME.toml`` beside this file are those that are shipped."""
