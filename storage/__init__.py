"""What is kept: immutable HDF5 versions, the label ledger, and lineage."""
