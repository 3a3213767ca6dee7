"""State as bytes: the state of kernels in a form that outlives the process.

Public.
"""

from rxdag.codec._codec import Codec
from rxdag.codec._readable import PlainCodec as PlainCodec
from rxdag.codec._readable import ReadableCodec as ReadableCodec
from rxdag.codec._walk import types_in

__all__ = ["Codec", "types_in"]
