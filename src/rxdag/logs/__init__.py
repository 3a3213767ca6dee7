"""Logs: the documented events of runs and runtimes, one line each, through the standard `logging`.

Public.
"""

from rxdag.logs._codes import CODES, FIELDS, Code
from rxdag.logs._event_log import EventLog
from rxdag.logs._fields import text_of_fields
from rxdag.logs._json import JsonFormatter

__all__ = ["CODES", "FIELDS", "Code", "EventLog", "JsonFormatter", "text_of_fields"]
