"""State as bytes: what kernels hold, in a form that outlives the process. Public."""

from rxdag.codec._codec import Codec

__all__ = ["Codec"]
