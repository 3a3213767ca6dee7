"""`python -m rxdag.cli`."""

from rxdag.cli import main

main()
