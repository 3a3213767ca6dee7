"""Experiments that try to break a run: overload, faults, threads, scale."""
