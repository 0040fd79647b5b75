"""What leaves a store for other programs: one exporter per module, all behind one interface."""
