"""Tests of the stores of checkpoints; `python -m tests.checkpoints 3000` damages a store that many times."""
