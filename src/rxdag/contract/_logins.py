"""Texts without what may be secret in them: logins of addresses, their queries, and values named as a password."""

from __future__ import annotations

import re
from typing import Final

_START: Final = r"(?:://|%3A%2F%2F)"
_ADDRESS: Final = re.compile(rf"({_START})((?:(?![,;|\"'()<>]{{1,3}}[a-z][\w+.-]*{_START})\S)+)", re.I)
"""The start of an address, and the rest up to a space or the next address; a login may have any other character."""
_LOGIN: Final = re.compile(r"(?<![\w.+-])[^\s:/@\"'()\[\]{}<>,;=]+:(?!//)\S*@(?!sha256:)")
"""A login without a scheme: `user:password@`."""
_SECRET: Final = re.compile(
    r"""
    ((?:password|passwd|passphrase|pwd|secret|token|(?:api|access|private)[-_]?key|credentials?|authorization|signature)
    ["']?[ \t]*(?:[:=]|%3D)[ \t]*)
    (?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\{[^}]*\}  # in quotes, or in braces as ODBC has it
    |(?:basic|bearer|digest|token)\s+\S+
    |[^;=\n]+(?=;)  # with spaces, where pairs end with a semicolon
    |(?:\\.|\S)+)
    """,
    re.I | re.X,
)


def without_logins(text: str) -> str:
    """Return a text without what may be secret in it: logins and queries of addresses, and values such as `password=...`.

    Where a password cannot be told from what follows it, more is left out.
    """
    text = without_secret_addresses(text)
    if "@" in text:
        text = _LOGIN.sub("...@", text)
    return _SECRET.sub(r"\1...", text)


def without_secret_addresses(text: str) -> str:
    """Return a text without the logins, queries and fragments of the addresses in it."""
    return _ADDRESS.sub(lambda found: found[1] + _plain_rest(found[2], is_encoded=found[1] != "://"), text)


def has_query(text: str) -> bool:
    """Return True if an address in a text has a query or a fragment."""
    return any(re.search(r"[?#]", found[2]) for found in _ADDRESS.finditer(text))


def _plain_rest(rest: str, *, is_encoded: bool) -> str:
    """Return an address behind its scheme without login and query."""
    if is_encoded:
        at, slash, colon, query = "@|%40", "/|%2F", ":|%3A", r"[?#]|%3F|%23"
    else:
        at, slash, colon, query = "@", "/", ":", r"[?#]"
    head = re.split(query, rest, maxsplit=1, flags=re.I)[0]
    end = "" if head == rest else "?..."
    authority = re.split(slash, head, maxsplit=1, flags=re.I)[0]
    has_colon = re.search(colon, authority, re.I) is not None
    logins = re.split(at, head, flags=re.I)
    if len(logins) > 1 and (has_colon or re.search(at, authority, re.I)):
        return f"...@{logins[-1]}{end}"
    # A password may have a question mark: with a login before it, nothing here is sure to be the host.
    return "..." if has_colon and re.search(at, rest[len(head) :], re.I) else head + end
