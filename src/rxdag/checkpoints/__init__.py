"""Checkpoints: stores of state, in named parts, that outlive the process.

Public.
"""

from rxdag.checkpoints._lock import Lock as Lock
from rxdag.checkpoints._memory import MemoryStore, memory
from rxdag.checkpoints._sqlite import OnDamage, SqliteStore, sqlite
from rxdag.checkpoints._store import Checkpoint, Store, StoreSession

__all__ = ["Checkpoint", "MemoryStore", "OnDamage", "StoreSession", "SqliteStore", "Store", "memory", "sqlite"]
