"""Tensor: an array that remembers how it was made."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.aval import Aval, canonical_dtype, is_float, promote_dtypes
from chainrule.core.errors import DTypeError, GradientError, ShapeError
from chainrule.core.graph import Constant, Graph, Node, Tap
from chainrule.core.modes import get_default_dtype, local
from chainrule.core.traced import traced_value_error
from chainrule.methods import Methods

__all__ = ["Parameter", "Tensor", "tensor"]

Array = np.ndarray[Any, Any]


def _to_array(data: Any, dtype: Any) -> Array:
    """A fresh NumPy array of a supported dtype from numbers, nested lists, arrays or frames."""
    if isinstance(data, Tensor):
        data = data.numpy()
    elif hasattr(data, "to_numpy"):  # a pandas or polars frame or column
        data = data.to_numpy()
    elif isinstance(data, (list, tuple)):
        data = _stack_tensors(data)
    typed = isinstance(data, (np.ndarray, np.generic))
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ShapeError("tensor(data)", "rows of different lengths", "a rectangular nested list", f"{error}") from None
    if dtype is None:
        # Python floats, and empty lists, take the default dtype; arrays keep theirs.
        weak = not typed and (array.dtype == np.float64 or array.size == 0)
        dtype = get_default_dtype() if weak else array.dtype
    if array.dtype.kind not in "biuf":
        raise DTypeError(
            "tensor(data)", f"elements of type {array.dtype}", "numbers or booleans", "encode text as numbers"
        )
    return np.array(array, canonical_dtype(dtype))


def _stack_tensors(data: Sequence[Any]) -> Any:
    """A list with tensors in it as an array of their common type; Python numbers beside them are weak."""
    tensors = [x for x in data if isinstance(x, Tensor)]
    if not tensors:
        return data
    dtype = promote_dtypes("tensor(data)", [x.dtype for x in tensors])
    array = np.asarray([x.numpy() if isinstance(x, Tensor) else x for x in data])
    if is_float(dtype):
        return array.astype(dtype)
    return array.astype(get_default_dtype()) if array.dtype.kind == "f" else array


class Tensor(Methods):
    """An array of numbers and, where a gradient may be wanted, the node that made it.

    Values never change in place: a method that ends in ``_`` makes this tensor point to a new value, so what an earlier
    computation has seen stays as it was.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([[2., 4.],
            [6., 8.]])
    """

    __slots__ = ("__weakref__", "_base", "_grad", "node")

    #: The gradient: a tensor, or the plain array that ``backward`` left and nobody has asked for yet.
    _grad: Any

    #: The tensor whose ``.data`` this is.
    _base: Tensor

    #: NumPy leaves mixed expressions such as ``array * tensor`` to the tensor.
    __array_priority__ = 1000
    __array_ufunc__ = None
    __hash__ = object.__hash__

    node: Node

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = False) -> None:
        self._set_leaf(_to_array(data, dtype), requires_grad)

    @staticmethod
    def _of(node: Node) -> Tensor:
        """The tensor of a node."""
        new = Tensor.__new__(Tensor)
        new.node = node
        return new

    @staticmethod
    def _wrap(array: Array) -> Tensor:
        """A tensor around an array of a supported dtype that nobody will change, without a copy."""
        return Tensor._of(Node.leaf(array))

    @staticmethod
    def _constant(data: Any) -> Tensor:
        """A tensor that the library keeps for itself and never changes."""
        array = np.asarray(data)
        return Tensor._of(Constant(None, (), Aval.like(array), array))

    def _set_leaf(self, array: Array, requires_grad: bool) -> None:
        """Point to a new leaf that holds ``array``."""
        node = Node.leaf(array, requires_grad)
        if requires_grad:
            if not is_float(node.aval.dtype):
                raise DTypeError(
                    "requires_grad=True", f"a tensor of {node.aval.dtype}", "float32 or float64", "pass dtype=float32"
                )
            old = getattr(self, "node", None)
            # Who listens for this tensor's gradient goes on listening when its value changes.
            known = old is not None and old.op is None and old.tap is not None
            node.tap = old.tap if known else Tap(weakref.ref(self))  # type: ignore[union-attr]
        self.node = node

    def _replace_leaf(self, array: Array) -> None:
        """``_set_leaf`` for an array of the same shape and dtype, as an optimizer makes it: a short way in."""
        old = self.node
        self.node = node = Node(None, (), old.aval, array, old.requires_grad)
        node.tap = old.tap

    # ---- what it is

    @property
    def aval(self) -> Aval:
        """Shape and dtype as one value."""
        return self.node.aval

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.node.aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self.node.aval.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.node.aval.ndim

    @property
    def requires_grad(self) -> bool:
        """Whether ``backward`` computes a gradient for this tensor, or passes one through it."""
        return self.node.requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if not self.is_leaf:
            raise GradientError(
                "requires_grad = ...",
                "a tensor that was computed",
                "a leaf: one made from data",
                "use t.detach() first",
            )
        if local.mode.tracer is not None:
            local.mode.tracer.set_requires_grad(self, bool(wanted))
        else:
            self._set_leaf(self._value(), bool(wanted))

    def requires_grad_(self, wanted: bool = True) -> Tensor:
        """Set ``requires_grad`` and return the tensor."""
        self.requires_grad = wanted
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made from data rather than computed with a history."""
        return self.node.op is None or not self.node.requires_grad

    @property
    def T(self) -> Tensor:
        """The transpose: all axes in reverse order."""
        return ops.transpose(self)

    def dim(self) -> int:
        """Number of axes."""
        return self.node.aval.ndim

    def numel(self) -> int:
        """Number of elements."""
        return self.node.aval.size

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one axis."""
        return self.shape if dim is None else self.shape[dim]

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("len(t)", "a tensor without axes", "at least one axis", "use t.item() for its number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # ---- its numbers

    def _value(self) -> Array:
        value = self.node.value
        tracer = local.mode.tracer
        if value is None or (tracer is not None and tracer.is_state(self)):
            raise traced_value_error(self.aval)
        return value

    def numpy(self) -> Array:
        """The numbers as a read-only array, without a copy; ``t.numpy().copy()`` may be changed."""
        view = self._value().view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype, copy=copy)

    def item(self) -> Any:
        """The one number as a Python number."""
        if self.node.aval.size != 1:
            raise ShapeError("t.item()", f"{self.aval!r}", "a tensor of one element", "use t.numpy() or index it first")
        return self._value().item()

    def tolist(self) -> Any:
        """The numbers as nested Python lists."""
        return self._value().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if is_float(self.dtype):
            raise DTypeError("a tensor as an index", f"{self.aval!r}", "whole numbers", "cast it: t.long()")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.node.aval.size != 1:
            raise ShapeError(
                "a tensor as a condition", f"{self.aval!r}", "one element", "use (...).all(), (...).any() or where()"
            )
        return bool(self.item())

    def __repr__(self) -> str:
        if not isinstance(self.node.value, np.ndarray):
            return f"tensor(traced {self.aval!r})"
        text = np.array2string(self.node.value, separator=", ", prefix="tensor(", precision=4)
        dtype = self.dtype
        notes = "" if dtype in (get_default_dtype(), np.int64, np.bool_) else f", dtype={dtype}"
        if self.node.op is not None:
            notes += f", made_by={self.node.op.name}"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"tensor({text}{notes})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # ---- its gradient

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` has accumulated, or None."""
        if local.mode.tracer is not None:
            local.mode.tracer.touch_gradient(self)
        gradient = getattr(self, "_grad", None)
        if type(gradient) is np.ndarray:
            gradient = self._grad = Tensor._wrap(gradient)
        return gradient

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and value.shape != self.shape:
            raise ShapeError("t.grad = g", f"g {value.shape}", f"the tensor's shape {self.shape}", "reshape g")
        if local.mode.tracer is not None:
            local.mode.tracer.touch_gradient(self, overwritten=True)
        self._grad = value

    def retain_grad(self) -> Tensor:
        """Ask ``backward`` to leave this computed tensor's gradient in ``.grad`` too.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> h = (x * x).retain_grad()
        >>> (h * 2).backward()
        >>> h.grad, x.grad
        (tensor(2.), tensor(12.))
        """
        if not self.requires_grad:
            raise GradientError("t.retain_grad()", "a tensor that needs no gradient", "requires_grad=True upstream")
        self._tap().cell = weakref.ref(self)
        return self

    def _tap(self) -> Tap:
        """Where listeners for this tensor's gradient sign up."""
        if self.node.tap is None:
            self.node.tap = Tap()
        return self.node.tap

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call ``hook(gradient)`` when this tensor's gradient is complete; what it returns replaces the gradient.

        Returns a function that removes the hook.
        """
        if not self.requires_grad:
            raise GradientError("t.register_hook(f)", "a tensor that needs no gradient", "requires_grad=True upstream")
        hooks = self._tap().hooks
        hooks.append(hook)
        return lambda: hooks.remove(hook) if hook in hooks else None

    def detach(self) -> Tensor:
        """The same value without its history."""
        if self.node.value is None or local.mode.tracer is not None:
            return ops.stop_gradient(self)
        return Tensor._of(Node.leaf(self._value()))

    @property
    def data(self) -> Tensor:
        """The value without its history; changing it in place (``t.data.fill_(0)``) changes this tensor."""
        view = self.detach()
        view._base = self
        return view

    @data.setter
    def data(self, value: Any) -> None:
        new = value if isinstance(value, Tensor) else Tensor(value, self.dtype)
        if local.mode.tracer is not None:
            local.mode.tracer.write(self, new, leaf=True)
        else:
            self._set_leaf(new.node.value, self.requires_grad)

    def graph(self) -> Graph:
        """The graph of what this tensor was computed from; it prints."""
        return Graph.of((self.node,))

    # ---- change in place: point to a new value

    def _assign(self, new: Tensor) -> Tensor:
        """Point to ``new``; a leaf that requires a gradient stays a leaf and may change only under ``no_grad``."""
        base = getattr(self, "_base", None)
        if new.shape != self.shape:
            raise ShapeError(
                "a change in place", f"{new.shape}", f"the tensor's shape {self.shape}", "make a new tensor"
            )
        if new.dtype is not self.dtype:
            if is_float(new.dtype) and not is_float(self.dtype):
                raise DTypeError(
                    "a change in place",
                    f"a result of {new.dtype} for a tensor of {self.dtype}",
                    "a result that the tensor's own type can hold",
                    "cast the tensor first (t.float()), or write t = t + ... to make a new one",
                )
            new = ops.cast(new, self.dtype)
        if self.is_leaf and self.requires_grad:
            if local.mode.grad:
                raise GradientError(
                    "a change in place of a tensor that requires a gradient",
                    "gradients are being recorded",
                    "no recording during the change",
                    "put it under `with cr.no_grad():`, or change t.data",
                )
            self.data = new
        elif local.mode.tracer is not None:
            local.mode.tracer.write(self, new)
        else:
            self.node = new.node
        if base is not None:
            base.data = new
        return self

    def copy_(self, other: Any) -> Tensor:
        """Take the values of ``other``, broadcast to this shape."""
        return self._assign(
            ops.broadcast_to(other if isinstance(other, Tensor) else Tensor(other, self.dtype), self.shape)
        )

    def fill_(self, value: float) -> Tensor:
        """Set every element to ``value``."""
        return self._assign(Tensor._wrap(np.full(self.shape, value, self.dtype)))

    def zero_(self) -> Tensor:
        """Set every element to zero."""
        return self.fill_(0)

    def uniform_(self, low: float = 0.0, high: float = 1.0, generator: Any = None) -> Tensor:
        """Draw every element uniformly from [low, high)."""
        return self._assign(ops.uniform(self.shape, low, high, self.dtype, generator))

    def normal_(self, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
        """Draw every element from the normal distribution."""
        return self._assign(ops.normal(self.shape, mean, std, self.dtype, generator))

    def add_(self, other: Any, alpha: float = 1) -> Tensor:
        """Add ``alpha * other``."""
        return self._assign(self + (other if alpha == 1 else other * alpha))

    def sub_(self, other: Any, alpha: float = 1) -> Tensor:
        """Subtract ``alpha * other``."""
        return self._assign(self - (other if alpha == 1 else other * alpha))

    def mul_(self, other: Any) -> Tensor:
        """Multiply by ``other``."""
        return self._assign(self * other)

    def div_(self, other: Any) -> Tensor:
        """Divide by ``other``."""
        return self._assign(self / other)

    def clamp_(self, min: Any = None, max: Any = None) -> Tensor:
        """Limit every element to [min, max]."""
        return self._assign(ops.clip(self, min, max))

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_

    def __setitem__(self, index: Any, value: Any) -> None:
        """Replace the elements at ``index``. For tensors outside any recorded computation."""
        if self.requires_grad and local.mode.grad:
            raise GradientError(
                "t[index] = value",
                "a tensor whose gradient is recorded",
                "a tensor that needs none",
                "build the result with where() or concatenate(), or change t.data under cr.no_grad()",
            )
        changed = self._value().copy()
        index = tuple(
            i.numpy() if isinstance(i, Tensor) else i for i in (index if isinstance(index, tuple) else (index,))
        )
        try:
            changed[index] = value.numpy() if isinstance(value, Tensor) else value
        except (ValueError, IndexError) as error:
            raise ShapeError(
                "t[index] = value", f"{error}", f"an index into {self.shape}", "check the shapes"
            ) from None
        self._assign(Tensor._wrap(changed))

    def __getattr__(self, name: str) -> Any:
        # Functions of one tensor read as methods too (x.exp(), x.relu()); their one home is the ops room.
        if name in _CASTS:
            return lambda: ops.cast(self, _CASTS[name])
        if name in ops.UNARY_METHODS:
            function = getattr(ops, name)
            return lambda *args, **kwargs: function(self, *args, **kwargs)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor:
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy._set_leaf(self._value().copy(), self.requires_grad)
        if self.grad is not None:
            copy._grad = self.grad.detach()
        return copy

    def __reduce__(self) -> Any:
        raise TypeError("tensors are not pickled: save them with cr.save, or t.numpy() with numpy.save")


#: ``x.float()``, ``x.long()`` ...: PyTorch's names for casts. (As methods they would hide the types of those names.)
_CASTS = {"float": np.float32, "double": np.float64, "long": np.int64, "int": np.int32, "bool": np.bool_}


class Parameter(Tensor):
    """A tensor that a model learns: a leaf that requires a gradient, found by ``Module.parameters``.

    >>> Parameter([1.0, 2.0])
    Parameter([1., 2.])
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, dtype: Any = None) -> None:
        super().__init__(data, dtype, requires_grad)

    def __repr__(self) -> str:
        return super().__repr__().replace("tensor(", "Parameter(", 1).replace(", requires_grad=True", "")


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor holding a copy of ``data``: a number, nested lists, an array, a column or frame.

    Python floats become float32 (the default dtype); NumPy arrays keep their element type.

    >>> tensor([1, 2]).dtype, tensor([1.0, 2.0]).dtype, tensor(np.ones(2)).dtype
    (dtype('int64'), dtype('float32'), dtype('float64'))

    Raises:
        DTypeError: elements that are not numbers.
        ShapeError: rows of different lengths.
    """
    return Tensor(data, dtype, requires_grad)


# At the end, because ops are built on Tensor: methods look them up when they are called.
from chainrule import ops  # noqa: E402
