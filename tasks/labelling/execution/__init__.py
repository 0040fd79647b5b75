"""Computation of labels: Dask tasks, processes with limits, and recovery from lost workers."""
