"""Dags and runs as pictures: DOT, Mermaid, SVG; bars as candlesticks.

Public.
"""

from rxdag.render._candles import candlesticks
from rxdag.render._dot import dot
from rxdag.render._svg import svg

__all__ = ["candlesticks", "dot", "svg"]
