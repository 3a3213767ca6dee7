"""Values without parts: the tag of each type, and its representation in msgpack."""

from __future__ import annotations

import datetime as dt
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, TypeAlias

import msgspec

from rxdag.errors import StateError, shown

PLAIN: Final = frozenset((type(None), bool, int, float, str, bytes))
"""Types that msgpack supports directly."""

Zone: TypeAlias = str | list[Any] | None


@dataclass(frozen=True)
class Scalar:
    """A type of scalar values.

    Attributes:
        code: Tag of the type.
        plain: Converts a value to plain types and lists of them.
        value: Converts that back to the value.
    """

    code: int
    plain: Callable[[Any], Any]
    value: Callable[[Any], Any]


def bytes_of(value: int) -> bytes:
    """Return the bytes of an int of any size, in linear time; decimal digits would be quadratic."""
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def int_of(data: bytes) -> int:
    """Return the int of those bytes."""
    return int.from_bytes(data, "little", signed=True)


def _zone_of(zone: dt.tzinfo | None) -> Zone:
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        name = zone.tzname(None)
        is_named = dt.timezone(offset).tzname(None) != name
        return [*_span_of(offset), name if is_named else None]
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return zone.key
    raise StateError(f"its time zone must be a fixed offset or a zoneinfo.ZoneInfo with a key, got {shown(zone)}")


def _zone(saved: Zone) -> dt.tzinfo | None:
    if saved is None:
        return None
    if isinstance(saved, str):
        return zoneinfo.ZoneInfo(saved)
    *span, name = saved
    offset = dt.timedelta(*span)
    if name is not None:
        return dt.timezone(offset, name)
    return dt.timezone(offset) if offset else dt.UTC


def _span_of(span: dt.timedelta) -> list[int]:
    return [span.days, span.seconds, span.microseconds]


def _moment_of(moment: dt.datetime) -> list[Any]:
    return [
        *(moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond),
        *(moment.fold, _zone_of(moment.tzinfo)),
    ]


def _moment(saved: list[Any]) -> dt.datetime:
    year, month, day, hour, minute, second, microsecond, fold, zone = saved
    return dt.datetime(year, month, day, hour, minute, second, microsecond, _zone(zone), fold=fold)


def _time_of(time: dt.time) -> list[Any]:
    return [time.hour, time.minute, time.second, time.microsecond, time.fold, _zone_of(time.tzinfo)]


def _time(saved: list[Any]) -> dt.time:
    hour, minute, second, microsecond, fold, zone = saved
    return dt.time(hour, minute, second, microsecond, _zone(zone), fold=fold)


def is_native_moment(moment: dt.datetime) -> bool:
    """Return True if msgpack's timestamp holds it exactly."""
    return moment.tzinfo is dt.UTC and not moment.fold


BIG: Final = Scalar(1, bytes_of, int_of)
TEXT: Final = Scalar(
    2, lambda text: text.encode("utf-8", "surrogatepass"), lambda data: str(data, "utf-8", "surrogatepass")
)
SCALARS: Final[dict[type, Scalar]] = {
    dt.datetime: Scalar(3, _moment_of, _moment),
    dt.date: Scalar(4, dt.date.toordinal, dt.date.fromordinal),
    dt.time: Scalar(5, _time_of, _time),
    dt.timedelta: Scalar(6, _span_of, lambda saved: dt.timedelta(*saved)),
    Decimal: Scalar(7, str, Decimal),
    Fraction: Scalar(
        8,
        lambda value: [bytes_of(value.numerator), bytes_of(value.denominator)],
        lambda saved: Fraction(int_of(saved[0]), int_of(saved[1])),
    ),
    complex: Scalar(9, lambda value: [value.real, value.imag], lambda saved: complex(*saved)),
    uuid.UUID: Scalar(10, lambda value: value.bytes, lambda data: uuid.UUID(bytes=data)),
    range: Scalar(
        11,
        lambda value: [bytes_of(value.start), bytes_of(value.stop), bytes_of(value.step)],
        lambda saved: range(*map(int_of, saved)),
    ),
    bytearray: Scalar(12, bytes, bytearray),
    msgspec.UnsetType: Scalar(13, lambda value: None, lambda saved: msgspec.UNSET),
}
BY_CODE: Final = {scalar.code: scalar for scalar in (BIG, TEXT, *SCALARS.values())}


def numpy() -> Any:
    """Return numpy if the process has imported it; otherwise no value can be numpy's."""
    return sys.modules.get("numpy")


def is_numpy(value: Any) -> bool:
    """Return True for an array or a scalar of numpy."""
    np = numpy()
    return np is not None and isinstance(value, np.ndarray | np.generic)


def array_of(array: Any) -> list[Any]:
    """Return the saved form of an array: its dtype, shape and bytes.

    Raises:
        StateError: If it holds Python objects, or is of another class.
    """
    np = numpy()
    if type(array) is not np.ndarray:
        raise StateError(f"an array must be a plain numpy.ndarray, got {type(array).__name__}")
    if array.dtype.hasobject or array.dtype.kind == "T":
        raise StateError(f"an array must hold no Python objects, got dtype {array.dtype}; save its .tolist()")
    return [_described(array.dtype), list(array.shape), array.tobytes()]


def _described(dtype: Any) -> Any:
    """Return a dtype as in numpy files: a text, or a list of fields."""
    return dtype.str if dtype.names is None else _listed(numpy().lib.format.dtype_to_descr(dtype))


def _listed(value: Any) -> Any:
    return list(map(_listed, value)) if isinstance(value, list | tuple) else value  # pyright: ignore[reportUnknownArgumentType]


def array(saved: list[Any]) -> Any:
    """Return the array that was saved."""
    import numpy as np  # this process may not have imported it yet

    described, shape, data = saved
    dtype = np.dtype(described) if isinstance(described, str) else np.lib.format.descr_to_dtype(_tupled(described))
    if dtype.hasobject:
        raise StateError("an array must hold no Python objects")
    # A copy is writable, and does not keep the decoded bytes alive.
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _tupled(fields: Any) -> Any:
    """Return a list of fields with each as a tuple of name, dtype and perhaps shape."""
    out: list[Any] = []
    for name, of, *shape in fields:
        kind = _tupled(of) if _is_list(of) else of
        out.append((tuple(name) if _is_list(name) else name, kind, *map(tuple[int, ...], shape)))
    return out


def _is_list(value: object) -> bool:
    return type(value) is list


def scalar_of(value: Any) -> list[Any]:
    """Return the saved form of a numpy scalar."""
    np = numpy()
    if type(value) is np.str_:
        return ["U", TEXT.plain("".join(value))]  # str() strips trailing NULs
    if type(value) is np.bytes_:
        return ["S", bytes(value)]
    if value.dtype.hasobject:
        raise StateError(f"a numpy scalar must hold no Python objects, got dtype {value.dtype}")
    return array_of(np.asarray(value))


def scalar(saved: list[Any]) -> Any:
    """Return the scalar that was saved."""
    import numpy as np

    if len(saved) == 2:
        kind, data = saved
        return np.str_(TEXT.value(data)) if kind == "U" else np.bytes_(data)
    return array(saved)[()]
