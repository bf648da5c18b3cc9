"""Nested lists, tuples and dicts of arguments and results, with places for the tensors in them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.compiler.guards import Same
from chainrule.core.aval import DTYPES
from chainrule.tensor import Tensor

__all__ = ["Place", "argument_names", "as_leaf", "fill", "flatten", "flatten_call", "map_tree", "static", "zip_trees"]


class Place:
    """Where a tensor stood in a structure of arguments or results."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and other.index == self.index

    def __hash__(self) -> int:
        return hash(("place", self.index))


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same structure, with ``function`` of each thing in it that is not a list, tuple or dict.

    >>> map_tree(abs, {"a": [-1, 2], "b": (-3,)})
    {'a': [1, 2], 'b': (3,)}
    """
    if isinstance(tree, dict):
        return {k: map_tree(function, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [map_tree(function, v) for v in tree]
        return tree._make(items) if hasattr(tree, "_make") else type(tree)(items)
    return function(tree)


def as_leaf(x: Any) -> Tensor:
    """A tensor for an argument: an array of a supported type is not copied."""
    if isinstance(x, Tensor):
        return x
    return Tensor._wrap(x) if type(x) is np.ndarray and x.dtype in DTYPES else Tensor(x)


def flatten(tree: Any, leaves: list[Tensor]) -> Any:
    """Arguments with places for tensors and arrays, which are put into ``leaves``: each once, though passed twice."""
    found: dict[int, int] = {}

    def place(x: Any) -> Any:
        if not isinstance(x, (Tensor, np.ndarray)):
            return x
        if id(x) not in found:
            found[id(x)] = len(leaves)
            leaves.append(as_leaf(x))
        return Place(found[id(x)])

    return map_tree(place, tree)


#: For calls with so many tensors and nothing else: the structure, and its image.
_TENSORS_ALONE: list[tuple[Any, Any]] = []


def flatten_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, list[Tensor]]:
    """The structure of a call's arguments as of ``flatten``, its image as of ``static``, and the leaves."""
    if not kwargs and len(args) < len(_TENSORS_ALONE) and len(set(map(id, args))) == len(args):
        for x in args:
            if type(x) is not Tensor:
                break
        else:  # nearly always, so it is not walked through
            return *_TENSORS_ALONE[len(args)], list(args)
    leaves: list[Tensor] = []
    tree = flatten((args, kwargs), leaves)
    return tree, static(tree), leaves


def fill(tree: Any, values: list[Any]) -> Any:
    """``values`` in their places."""
    return map_tree(lambda x: values[x.index] if isinstance(x, Place) else x, tree)


def static(tree: Any) -> Any:
    """A hashable image of a structure: what two calls must have in common to share a trace."""
    if isinstance(tree, dict):
        return ("dict", *((k, static(v)) for k, v in tree.items()))
    if isinstance(tree, (list, tuple)):
        return (type(tree), *(static(v) for v in tree))
    if isinstance(tree, float):
        return (type(tree), tree.hex())  # NaN is one value, -0.0 and 0.0 are two
    try:
        hash(tree)
    except TypeError:
        return Same(tree)
    return (type(tree), tree)


def zip_trees(combine: Callable[[list[Any]], Any], trees: list[Any]) -> Any:
    """One structure from several of the same form: their tensors combined, everything else as in the first.

    Python values that change from step to step are not combined: they belong to the first.
    """
    first = trees[0]
    if isinstance(first, Tensor):
        return combine(trees)
    if isinstance(first, dict):
        return {k: zip_trees(combine, [t[k] for t in trees]) for k in first}
    if isinstance(first, (list, tuple)):
        items = [zip_trees(combine, [t[i] for t in trees]) for i in range(len(first))]
        return first._make(items) if hasattr(first, "_make") else type(first)(items)
    return first


def argument_names(function: Callable[..., Any], tree: Any, count: int) -> list[str]:
    """What ``count`` tensors in a call's arguments are called: the parameter ``x``, or ``batch_0`` and ``batch_1``."""
    args, kwargs = tree
    try:
        parameters = list(inspect.signature(getattr(function, "forward", function)).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    found: dict[int, str] = {}

    def walk(part: Any, name: str) -> None:
        if isinstance(part, Place):
            found.setdefault(part.index, name)
        elif isinstance(part, dict):
            for k, v in part.items():
                walk(v, f"{name}_{k}")
        elif isinstance(part, (list, tuple)):
            for i, v in enumerate(part):
                walk(v, f"{name}_{i}")

    for i, part in enumerate(args):
        named = i < len(parameters) and parameters[i].kind is not parameters[i].VAR_POSITIONAL
        walk(part, parameters[i].name if named else f"arg{i}")
    for name, part in kwargs.items():
        walk(part, name)
    return [found[i] for i in range(count)]


for _count in range(9):
    _tree = tuple(map(Place, range(_count))), dict[str, Any]()
    _TENSORS_ALONE.append((_tree, static(_tree)))
