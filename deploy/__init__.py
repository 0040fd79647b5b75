"""Where it runs: machine profiles and Dask clusters."""
