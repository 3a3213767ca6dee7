"""Wrong calls of public functions: an argument is missing, not known, or one too many."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from rxdag.contract._functions import shown_signature
from rxdag.contract._left_out import optional_first
from rxdag.errors import GraphError, did_you_mean, shown

_BY_POSITION: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def bound(
    fn: Callable[..., Any], signature: inspect.Signature, args: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a call by parameter, without defaults.

    Raises:
        GraphError: If the function cannot be called with them; the message shows its signature.
    """
    try:
        return dict(signature.bind(*args, **named).arguments)
    except TypeError:
        problem = _problem(signature, args, named) or _missing(fn, signature, args, named)
        raise GraphError(f"{fn.__name__}: {problem}; call {fn.__name__}{shown_signature(signature)}") from None


def _problem(signature: inspect.Signature, args: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    """Return the problem with what was given; nothing if only something is missing."""
    by_position, by_name = _names(signature, _BY_POSITION), _names(signature, _BY_NAME)
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    unknown = () if inspect.Parameter.VAR_KEYWORD in kinds else [each for each in named if each not in by_name]
    for each in unknown:
        if each in by_position:
            return f"{each} must be given without its name, got {each}={shown(named[each])}"
        return f'argument "{each}" is not known{did_you_mean(each, by_name)}'
    n = len(by_position)
    if len(args) > n and inspect.Parameter.VAR_POSITIONAL not in kinds:
        return f"at most {n} argument{'' if n == 1 else 's'} can go without a name, got {len(args)}"
    twice = next((each for each in by_position[: len(args)] if each in named and each in by_name), None)
    return "" if twice is None else f"{twice} must be given once, got it twice"


def _missing(
    fn: Callable[..., Any], signature: inspect.Signature, args: tuple[Any, ...], named: Mapping[str, Any]
) -> str:
    given = {*_names(signature, _BY_POSITION)[: len(args)], *named}
    needed = [each for each, parameter in signature.parameters.items() if _is_needed(parameter)]
    missing = [each for each in needed if each not in given]
    optional = optional_first(signature)
    if optional is not None and optional[0] in missing:
        missing = [optional[1]]
    words = [f"{each} is: {text}" for each in missing if (text := _described(fn, each))]
    return "; ".join((f"{' and '.join(missing)} must be given, got nothing", *words))


def _names(signature: inspect.Signature, kinds: tuple[Any, ...]) -> list[str]:
    return [each for each, parameter in signature.parameters.items() if parameter.kind in kinds]


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind in (*_BY_POSITION, *_BY_NAME)


def _described(fn: Callable[..., Any], argument: str) -> str:
    """Return the first sentence about an argument in the docstring; nothing where docstrings are stripped."""
    found = re.search(rf"^ +{argument}: (.+?)\.\s", fn.__doc__ or "", re.M | re.S)
    return "" if found is None else " ".join(found[1].split())
