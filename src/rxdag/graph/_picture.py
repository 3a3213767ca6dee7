"""Display in notebooks: a picture if its packages are installed, and text always."""

from __future__ import annotations

import sys

from rxdag.errors import MissingExtra, text_of


def bundle(thing: object, text: str) -> dict[str, str]:
    """Return a picture by MIME type, as IPython asks for it."""
    try:
        return {"image/svg+xml": sys.modules["rxdag"].picture_of(thing), "text/plain": text}
    except MissingExtra as error:
        return {"text/plain": f"{text}\n({text_of(error)})"}
