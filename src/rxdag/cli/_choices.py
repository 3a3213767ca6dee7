"""Values that an option may have."""

from enum import StrEnum


class Restart(StrEnum):
    """Policies for starting a run again."""

    never = "never"
    on_failure = "on_failure"
    always = "always"


class Form(StrEnum):
    """Forms of a picture."""

    text = "text"
    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"


class Require(StrEnum):
    """Requirement on the sinks of a run with checkpoints."""

    exactly = "exactly"


class By(StrEnum):
    """Metrics to scale by."""

    backlog = "backlog"
    queued = "queued"
    busy = "busy"


class Unit(StrEnum):
    """Units of a time."""

    ns = "ns"
    us = "us"
    ms = "ms"
    s = "s"


class Durable(StrEnum):
    """Degrees of durability of a journal."""

    written = "written"
    synced = "synced"


class OnFull(StrEnum):
    """Policies of a journal for a full disk."""

    stop = "stop"
    pass_ = "pass"
