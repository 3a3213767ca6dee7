"""Random graphs for as long as you like: those of the engine's torture, and those of columns."""
