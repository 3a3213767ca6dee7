"""Checkpoints: stores that keep the state of runs beyond the process.

Public.
"""

from rxdag.checkpoints._memory import MemoryStore, memory
from rxdag.checkpoints._sqlite import OnDamage, SqliteStore, sqlite
from rxdag.checkpoints._store import Checkpoint, Session, Store

__all__ = ["Checkpoint", "MemoryStore", "OnDamage", "Session", "SqliteStore", "Store", "memory", "sqlite"]
