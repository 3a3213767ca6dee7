"""Dags as pictures: DOT, Mermaid, SVG."""

from rxdag.render._dot import dot
from rxdag.render._svg import svg

__all__ = ["dot", "svg"]
