"""How a stage is done: sampling, selection, labelling, fitting, validation."""
