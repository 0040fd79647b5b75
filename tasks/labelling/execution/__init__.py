"""Where labels are computed: Dask tasks, a process for each label, and what happens when one dies."""
