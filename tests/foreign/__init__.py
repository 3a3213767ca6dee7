"""Operators, accumulators, functions, sources and sinks as users write them, run by a plain loop and by the engine."""
