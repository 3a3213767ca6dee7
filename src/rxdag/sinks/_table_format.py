"""Formats of files of tables, which cannot be continued: Parquet, and Arrow's IPC format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from rxdag.contract import import_extra


class TableFormat(ABC):
    """A format; `label` is the name of its sink."""

    label: ClassVar[str]

    def __init__(self) -> None:
        self.pa = import_extra("pyarrow", "arrow", self.label)

    @abstractmethod
    def writer(self, file: Any, schema: Any) -> Any:
        """Return a writer of tables into a file object; metadata of the schema is in the file."""

    @abstractmethod
    def read_foot(self, path: str) -> tuple[dict[bytes, bytes], int]:
        """Return the metadata of a file and its number of rows."""


class ParquetFormat(TableFormat):
    """Parquet."""

    label = "parquet"

    def __init__(self) -> None:
        super().__init__()
        self._parquet = import_extra("pyarrow.parquet", "arrow", self.label)

    def writer(self, file: Any, schema: Any) -> Any:
        return self._parquet.ParquetWriter(file, schema)

    def read_foot(self, path: str) -> tuple[dict[bytes, bytes], int]:
        found = self._parquet.read_metadata(path)
        return found.metadata or {}, int(found.num_rows)


class ArrowFormat(TableFormat):
    """Arrow's IPC format for files."""

    label = "arrow_file"

    def writer(self, file: Any, schema: Any) -> Any:
        return self.pa.ipc.new_file(file, schema)

    def read_foot(self, path: str) -> tuple[dict[bytes, bytes], int]:
        with self.pa.memory_map(path) as file:
            reader = self.pa.ipc.open_file(file)
            rows = sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
            return reader.schema.metadata or {}, rows
