"""Trees of plain values as JSON beside arrays: how architectures and checkpoints become text without pickle.

JSON has no arrays, tuples, dtypes, NaN, or keys that are not text: each becomes an object whose key begins with ``$``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.core.errors import CheckpointError
from chainrule.tensor import Tensor

__all__ = ["Packer", "Unpacker"]

Array = np.ndarray[Any, Any]


class Packer:
    """Turns a tree of numbers, texts, lists, tuples, dicts, dtypes, arrays and tensors into JSON and named arrays.

    >>> packer = Packer()
    >>> packer.pack({"betas": (0.9, 0.999), "mean": np.zeros(2)}, "adam")
    {'betas': {'$tuple': [0.9, 0.999]}, 'mean': {'$array': 'adam.mean'}}
    >>> packer.arrays
    {'adam.mean': array([0., 0.])}
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def pack(self, value: Any, path: str) -> Any:
        """``value`` as JSON; ``path`` names it in errors, and its arrays."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$number": str(value)}
        if isinstance(value, (Tensor, np.ndarray)) and not self._is_other(value):
            return self._pack_array(value, path)
        if type(value) in (list, tuple):
            items = [self.pack(item, f"{path}.{i}" if path else str(i)) for i, item in enumerate(value)]
            return items if type(value) is list else {"$tuple": items}
        if type(value) is dict:
            return self._pack_dict(value, path)
        if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
            return {"$dtype": np.dtype(value).name}
        return self.pack_other(value, path)

    def pack_other(self, value: Any, path: str) -> Any:
        """What else a subclass can write; here an error that names the value."""
        raise CheckpointError(
            f"write {path or 'a value'} down",
            f"a {type(value).__name__}",
            "numbers, texts, None, lists, tuples, dicts, dtypes, arrays or tensors",
            "keep it out of what is saved, or turn it into one of these",
        )

    def _is_other(self, value: Any) -> bool:
        return isinstance(value, np.ndarray) and value.dtype.kind not in "biuf"

    def _pack_array(self, value: Tensor | Array, path: str) -> Any:
        array = value.numpy() if isinstance(value, Tensor) else value
        while path in self.arrays:  # keys with dots in them may spell one path in two ways
            path += "+"
        mark = {"$tensor" if isinstance(value, Tensor) else "$array": path}
        if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous:
            # Matrix products may round differently by memory order, so a resumed run needs the same order.
            self.arrays[path] = array.T
            return mark | {"order": "F"}
        self.arrays[path] = array
        return mark

    def _pack_dict(self, value: dict[Any, Any], path: str) -> Any:
        packed = [(key, self.pack(item, f"{path}.{key}" if path else str(key))) for key, item in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return dict(packed)
        return {"$items": [[self.pack(key, f"a key of {path}"), item] for key, item in packed]}


class Unpacker:
    """The way back: ``unpack(pack(tree))`` equals the tree."""

    def __init__(self, arrays: dict[str, Array]) -> None:
        self.arrays = arrays

    def unpack(self, packed: Any) -> Any:
        """The value that ``Packer.pack`` wrote. Raises KeyError or TypeError for anything else."""
        if isinstance(packed, list):
            return [self.unpack(item) for item in packed]
        if not isinstance(packed, dict):
            return packed
        mark = next(iter(packed), "")
        if not mark.startswith("$"):
            return {key: self.unpack(item) for key, item in packed.items()}
        content = packed[mark]
        if mark in ("$array", "$tensor"):
            array = self.arrays[content].T if packed.get("order") == "F" else self.arrays[content]
            # np.array keeps the memory order; a tensor's array is its own, so that nothing else can change it.
            return Tensor._wrap(np.array(array)) if mark == "$tensor" else np.array(array)
        if mark == "$tuple":
            return tuple(self.unpack(item) for item in content)
        if mark == "$items":
            return {self.unpack(key): self.unpack(item) for key, item in content}
        if mark == "$number":
            return float(content)
        if mark == "$dtype":
            return np.dtype(content)
        return self.unpack_other(mark, content)

    def unpack_other(self, mark: str, content: Any) -> Any:
        """What else a subclass can read."""
        raise KeyError(f"unknown mark {mark}")
