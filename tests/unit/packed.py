"""Compressors of files, by the ends of their names."""

import gzip
import importlib
import sys

import pytest

ENDS = (".gz", ".zst")


def packer(end):
    """Return the module that compresses files with this end of their names."""
    if end == ".gz":
        return gzip
    return (
        pytest.importorskip("backports.zstd")
        if sys.version_info < (3, 14)
        else importlib.import_module("compression.zstd")
    )
