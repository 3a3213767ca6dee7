"""Run the program that `rxdag peek` prints, as it is printed."""

import bz2
import gzip
import zipfile
from typing import Any

import msgspec
from tests.unit.event_times import See

from rxdag.peek import program_of


def write(path, text):
    """Write a file as its name says: .zip with one file inside, .gz, .bz2, .zst, or plain."""
    data = text.encode()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{path.stem}.csv", data)
        return path
    if path.suffix == ".zst":
        import pytest

        data = pytest.importorskip("backports.zstd").compress(data)
    packed = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)
    path.write_bytes(packed(data))
    return path


def run(program):
    """The names that a program defines."""
    names: dict[str, Any] = {}
    exec(compile(program, "peeked", "exec"), names)
    return names


def values(item):
    return msgspec.structs.astuple(item) if isinstance(item, msgspec.Struct) else item


def peeked(path):
    """The items of a file, as tuples, and their event times in ns, as its program reads them."""
    names = run(program_of(str(path)))
    return [values(item) for item in names["rows"].collect()], list(names["timed"].pipe(See()).collect())


def checks(path):
    """What the program of a file says is to be checked."""
    return [
        line.removeprefix("# Check: ") for line in program_of(str(path)).splitlines() if line.startswith("# Check: ")
    ]
