"""Databases of the PostgreSQL server that the fixture `dsn` has started."""

import itertools
from contextlib import closing, contextmanager

import psycopg

_NUMBERS = itertools.count()


def ask(dsn, query, values=None):
    """Rows of a query; an empty list for a statement that has none."""
    with closing(psycopg.connect(dsn, autocommit=True)) as db:
        cursor = db.execute(query, values)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def database(address):
    """An empty database of a server; gives its address."""
    name = f"test{next(_NUMBERS)}"
    ask(address, f"create database {name}")
    yield address.replace("/postgres", f"/{name}")
    ask(address, f"drop database {name} with (force)")
