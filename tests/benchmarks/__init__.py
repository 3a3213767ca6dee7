"""The benchmark: CPU time of rxdag over that of the plain loop, in one process, alternated."""
