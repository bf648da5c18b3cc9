"""The protocol of an op: one class holds its shape rule, NumPy meaning, derivative, text and samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from chainrule.core.aval import Aval, bool_, broadcast_shapes, int64, is_float, promote_dtypes
from chainrule.core.errors import DTypeError
from chainrule.core.modes import get_default_dtype

if TYPE_CHECKING:
    Tensor = Any

__all__ = ["REGISTRY", "Elementwise", "Op", "Sample", "draw", "register"]

Array = np.ndarray[Any, Any]
#: What a derivative rule gives for one input: a tensor, a function that computes it if it is wanted, or None.
Cotangent = Any

REGISTRY: dict[str, type[Op]] = {}
C = TypeVar("C", bound="type[Op]")

_MEMO_LIMIT = 4096


def register(cls: C) -> C:
    """Enter an op under its name: from then on it is tested in every interpretation."""
    if REGISTRY.get(cls.name, cls).__qualname__ != cls.__qualname__:
        raise ValueError(f"two ops are called {cls.name!r}: {REGISTRY[cls.name]} and {cls}")
    REGISTRY[cls.name] = cls
    return cls


@dataclass(frozen=True)
class Sample:
    """Inputs on which the conformance tests run an op."""

    op: Op
    inputs: tuple[Array, ...]


def draw(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Array:
    """Float64 numbers for a sample, spread over [low, high] and apart from each other (so that maxima are unique)."""
    size = int(np.prod(shape))
    order = np.random.Generator(np.random.Philox(seed + 1)).permutation(size)
    spread = (np.arange(size) + 0.37 + 0.11 * (seed % 5)) / max(size, 1)
    return (low + (high - low) * spread[order]).reshape(shape)


@dataclass(frozen=True, eq=False)
class Op:
    """One primitive operation. Static arguments are the dataclass's fields; tensors are positional.

    A subclass gives ``infer`` (shape and dtype), ``compute`` (NumPy meaning), ``vjp`` (derivative) and ``samples``.

    ``vjp(g, out, *inputs)`` is the product of the gradient ``g`` of the output with the op's Jacobian, written with the
    operators and functions of tensors. It returns one entry an input: the product, a function that computes it (called
    only if that input's gradient is wanted), or None. Its text is polymorphic: over tensors it is recorded, over plain
    arrays it computes at NumPy's speed. Un-broadcasting is the walk's task, not the rule's.
    """

    name: ClassVar[str]
    #: The loop shape that a back end sees: map, reduce, move, contract, index, random; or composite, for an op that
    #: back ends never see because ``expand`` says what it is made of.
    family: ClassVar[str]
    #: Whether a gradient can pass.
    differentiable: ClassVar[bool] = True
    #: How inputs are brought to one dtype: "same", "float" (the same, and a float), or "none".
    promotion: ClassVar[str] = "same"

    _instances: ClassVar[dict[Any, Op]] = {}

    def __post_init__(self) -> None:
        object.__setattr__(self, "memo", {})

    if TYPE_CHECKING:
        memo: dict[Any, Aval]

    @classmethod
    def of(cls, *params: Any) -> Self:
        """The one instance with these static arguments, so that what it has inferred is remembered."""
        key = (cls, params)
        op = Op._instances.get(key)
        if op is None:
            if len(Op._instances) > _MEMO_LIMIT:
                Op._instances.clear()
            op = Op._instances[key] = cls(*params)
        return op  # type: ignore[return-value]

    @property
    def params(self) -> dict[str, Any]:
        """The static arguments by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def infer(self, *avals: Aval) -> Aval:
        """Shape and dtype of the output, or an error in the user's terms."""
        raise NotImplementedError

    def compute(self, *arrays: Array) -> Array:
        """The value, by NumPy. Never changes its inputs."""
        raise NotImplementedError

    def vjp(self, g: Tensor, out: Tensor, *inputs: Tensor) -> Cotangent:
        """The gradient of each input, from the gradient ``g`` of the output."""
        raise NotImplementedError

    def expand(self, *inputs: Tensor) -> Tensor:
        """A composite op as a composition of others: the same value, for whoever knows only those."""
        raise NotImplementedError

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Inputs for the conformance tests, in float64 where a gradient is to be checked."""
        raise NotImplementedError

    def infer_memo(self, avals: tuple[Aval, ...]) -> Aval:
        """``infer``, remembered for avals already seen."""
        aval = self.infer(*avals)
        if len(self.memo) > _MEMO_LIMIT:
            self.memo.clear()
        self.memo[avals if len(avals) > 1 else avals[0]] = aval
        return aval

    def common_dtype(self, dtypes: list[np.dtype[Any]], scalars: list[Any]) -> np.dtype[Any] | None:
        """The dtype that inputs of these dtypes, and Python numbers, are brought to; None leaves them as they are."""
        if self.promotion == "none":
            return None
        best = promote_dtypes(self.name, dtypes) if dtypes else bool_
        for scalar in scalars:
            # Python numbers are weak: they take the tensors' dtype unless it cannot hold their kind.
            if isinstance(scalar, float) and not is_float(best):
                best = get_default_dtype()
            elif isinstance(scalar, int) and not isinstance(scalar, bool) and best is bool_:
                best = int64
        if self.promotion == "float" and not is_float(best):
            best = get_default_dtype()
        return best

    def cast_inputs(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any] | None, ...] | None:
        """The dtype for each input where it is not the common one for all; None in it leaves an input as it is."""
        return None

    def __str__(self) -> str:
        params = ", ".join(f"{k}={v}" for k, v in self.params.items())
        return f"{self.name}[{params}]" if params else self.name


@dataclass(frozen=True, eq=False)
class Elementwise(Op):
    """An op that acts element by element on inputs that broadcast."""

    family: ClassVar[str] = "map"
    #: Interval from which each input of a sample is drawn.
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-2.0, 2.0),)
    #: "same" as the inputs, or "bool".
    result: ClassVar[str] = "same"
    #: Whether it has a meaning for truth values.
    booleans: ClassVar[bool] = True
    #: The NumPy function.
    function: ClassVar[Callable[..., Array]]

    def infer(self, *avals: Aval) -> Aval:
        """Broadcast the shapes; inputs share one dtype."""
        dtype = avals[0].dtype
        for aval in avals[1:]:
            if aval.dtype is not dtype:
                raise DTypeError(self.name, " and ".join(str(a.dtype) for a in avals), "one dtype", "cast one of them")
        if dtype is bool_ and not self.booleans:
            raise DTypeError(self.name, "booleans", "numbers", "cast first: x.long() or x.float()")
        shape = avals[0].shape
        if len(avals) > 1:
            shape = broadcast_shapes(self.name, *(a.shape for a in avals))
        return Aval.of(shape, bool_ if self.result == "bool" else dtype)

    def __post_init__(self) -> None:
        super().__post_init__()
        # The NumPy function itself, so that calling it costs no detour.
        object.__setattr__(self, "compute", type(self).function)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Scalars, vectors, matrices, an empty array; for several inputs, shapes that broadcast too."""
        arity = len(cls.domain)
        shapes: list[tuple[tuple[int, ...], ...]] = [
            ((),) * arity,
            ((5,),) * arity,
            ((2, 3),) * arity,
            ((0, 3),) * arity,
        ]
        if arity > 1:
            rows: tuple[tuple[int, ...], ...] = ((2, 1), (3,), ())
            shapes += [tuple(rows[(i + k) % 3] for i in range(arity)) for k in range(3)]
        for group in shapes:
            drawn = [
                draw(*s, low=lo, high=hi, seed=i) for i, (s, (lo, hi)) in enumerate(zip(group, cls.domain, strict=True))
            ]
            yield Sample(cls.of(), tuple(drawn))
