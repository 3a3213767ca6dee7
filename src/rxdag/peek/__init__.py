"""Programs for files of an unknown form: a type, a source and event times.

Internal: not part of the API; may change in any release.
"""

from rxdag.peek._peek import program_of

__all__ = ["program_of"]
