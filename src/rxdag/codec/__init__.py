"""State as bytes: the state of kernels in a form that outlives the process.

Public.
"""

from rxdag.codec._codec import Codec
from rxdag.codec._detached import detached as detached
from rxdag.codec._names import is_named as is_named
from rxdag.codec._readable import PlainCodec as PlainCodec
from rxdag.codec._readable import ReadableCodec as ReadableCodec
from rxdag.codec._type_walk import cannot_be_saved as cannot_be_saved
from rxdag.codec._type_walk import classes_in as classes_in
from rxdag.codec._walk import types_in

__all__ = ["Codec", "types_in"]
