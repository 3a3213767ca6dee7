"""Logs: the documented events of runs and runtimes, one line each, through the standard `logging`.

Public.
"""

from rxdag.logs._codes import CODES, FIELDS, Code
from rxdag.logs._event_log import EventLog as EventLog
from rxdag.logs._json import JsonFormatter
from rxdag.logs._json import json_text as json_text

__all__ = [
    "CODES",
    "Code",
    "FIELDS",
    "JsonFormatter",
]
