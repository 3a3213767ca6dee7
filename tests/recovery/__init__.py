"""Jobs that are killed and started again, until their output is complete."""
