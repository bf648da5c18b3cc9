"""Derivatives of functions: gradient, Jacobian, product with the Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.autodiff.backward import grad_of
from chainrule.core.errors import GradientError, ShapeError
from chainrule.core.modes import deriving, enable_grad, local
from chainrule.ops.shape import stack
from chainrule.tensor import Tensor

__all__ = ["grad", "hvp", "jacobian", "value_and_grad"]

Function = Callable[..., Any]


def _flatten(tree: Any, leaves: list[Tensor]) -> Any:
    """Collect the tensors in nested lists, tuples and dicts; returns the same shape with their places."""
    if isinstance(tree, dict):
        return {k: _flatten(v, leaves) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return _sequence(tree, [_flatten(v, leaves) for v in tree])
    if not isinstance(tree, Tensor):
        tree = Tensor(tree)
    leaves.append(tree)
    return len(leaves) - 1


def _unflatten(places: Any, values: Any) -> Any:
    """Nested containers with ``values`` put into their places."""
    if isinstance(places, dict):
        return {k: _unflatten(v, values) for k, v in places.items()}
    if isinstance(places, (list, tuple)):
        return _sequence(places, [_unflatten(v, values) for v in places])
    return values[places]


def _sequence(like: Any, items: list[Any]) -> Any:
    """``items`` in a list or tuple of the kind of ``like``, named tuples included."""
    return like._make(items) if hasattr(like, "_make") else type(like)(items)


class _Linearised:
    """``f`` called once on fresh copies of the arguments to be differentiated by."""

    def __init__(
        self, f: Function, argnums: int | tuple[int, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise GradientError(
                    f"the derivative by argument {n}",
                    f"{len(args)} positional arguments",
                    "an argument to derive by",
                    "check argnums",
                )
        leaves: list[Tensor] = []
        self.places = _flatten([args[n] for n in numbers], leaves)
        self.leaves = [self._variable(x) for x in leaves]
        replaced = list(args)
        for n, value in zip(numbers, _unflatten(self.places, self.leaves), strict=True):
            replaced[n] = value
        self.single = isinstance(argnums, int)
        with enable_grad(), deriving():
            self.output = f(*replaced, **kwargs)

    @staticmethod
    def _variable(x: Tensor) -> Tensor:
        """A tensor to derive by: a fresh leaf, or, inside another derivative, the same value linked to its history."""
        if x.requires_grad and local.mode.grad:
            return x.clone()
        return x.detach().requires_grad_() if np.issubdtype(x.dtype, np.floating) else x.float().requires_grad_()

    def recorded(self, args: tuple[Any, ...], output: Tensor) -> bool:
        """Whether someone outside may differentiate the gradient: by an argument, or by a tensor that ``f`` closes over."""
        if not local.mode.grad:
            return False
        if any(x.requires_grad for x in _tensors(args)):
            return True
        own = {x.node for x in self.leaves}
        seen, stack = {output.node}, [output.node]
        while stack:
            node = stack.pop()
            if node in own or node.freed:
                continue
            if node.op is None and node.requires_grad:
                return True
            fresh = [n for n in node.inputs if n not in seen]
            seen.update(fresh)
            stack += fresh
        return False

    def result(self, values: Any) -> Any:
        """``values`` in the shape of the arguments."""
        built = _unflatten(self.places, values)
        return built[0] if self.single else tuple(built)


def _scalar(name: str, output: Any) -> Tensor:
    if not isinstance(output, Tensor) or output.node.aval.size != 1:
        shape = getattr(output, "shape", type(output).__name__)
        raise ShapeError(
            f"{name}(f)", f"a result of {shape}", "one number", "reduce it with .sum(), or use cr.jacobian"
        )
    return output


def value_and_grad(f: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """A function that returns ``f``'s value and its gradient by the arguments ``argnums``.

    Arguments may be tensors, numbers, or nested lists, tuples and dicts of them; the gradient has the same shape. With
    ``has_aux``, ``f`` returns (value, anything) and the result is ((value, anything), gradient).

    >>> value_and_grad(lambda x: x * x)(3.0)
    (tensor(9.), tensor(6.))
    """

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = _Linearised(f, argnums, args, kwargs)
        value, *rest = call.output if has_aux else (call.output,)
        value = _scalar("grad", value)
        recording = call.recorded(args, value)
        if value.requires_grad:
            found = grad_of(value, call.leaves, retain_graph=True, create_graph=recording, allow_unused=True)
        else:
            found = [None] * len(call.leaves)
        gradients = [
            Tensor._wrap(np.zeros(x.shape, x.dtype)) if g is None else g
            for x, g in zip(call.leaves, found, strict=True)
        ]
        value = value if recording else value.detach()
        return ((value, *rest) if has_aux else value), call.result(gradients)

    return differentiated


def _tensors(args: Any) -> list[Any]:
    """The tensors among (nested) arguments."""
    leaves: list[Any] = []
    for arg in args:
        if isinstance(arg, Tensor):
            leaves.append(arg)
        elif isinstance(arg, dict):
            leaves += _tensors(arg.values())
        elif isinstance(arg, (list, tuple)):
            leaves += _tensors(arg)
    return leaves


def grad(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """A function that returns the gradient of the scalar function ``f``. Gradients of gradients work.

    >>> slope = grad(lambda x: x**3)
    >>> slope(2.0), grad(slope)(2.0)
    (tensor(12.), tensor(12.))

    Raises:
        ShapeError: ``f`` does not return one number.
    """
    both = value_and_grad(f, argnums)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]


def jacobian(f: Function, argnums: int = 0) -> Function:
    """A function that returns every derivative of ``f``'s output by its input: shape (*output, *input).

    Computed row by row, one backward walk for each number in the output.

    >>> jacobian(lambda x: x * x)(Tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def differentiated(*args: Any, **kwargs: Any) -> Tensor:
        call = _Linearised(f, argnums, args, kwargs)
        output = call.output
        if not isinstance(output, Tensor) or len(call.leaves) != 1:
            raise ShapeError(
                "jacobian(f)",
                f"a result of type {type(output).__name__} and {len(call.leaves)} tensors to derive by",
                "one tensor out and one tensor in",
                "call it once for each pair of tensors",
            )
        (x,) = call.leaves
        count = output.node.aval.size
        recording = call.recorded(args, output)
        rows = []
        for i in range(count):
            seed = np.zeros(count, output.dtype)
            seed[i] = 1
            row = None
            if output.requires_grad:
                row = grad_of(
                    output, x, seed.reshape(output.shape), retain_graph=True, create_graph=recording, allow_unused=True
                )
            rows.append(Tensor._wrap(np.zeros(x.shape, x.dtype)) if row is None else row)
        if not rows:
            return Tensor._wrap(np.zeros((*output.shape, *x.shape), x.dtype))
        return stack(rows).reshape((*output.shape, *x.shape))

    return differentiated


def hvp(f: Function, x: Any, v: Any) -> Tensor:
    """Product of the Hessian of the scalar function ``f`` at ``x`` with a vector ``v``, without building the Hessian.

    Formula: the gradient of ``grad f . v`` (B. Pearlmutter, "Fast Exact Multiplication by the Hessian", 1994).

    >>> hvp(lambda x: (x * x * x).sum(), Tensor([1.0, 2.0]), Tensor([1.0, 1.0]))
    tensor([ 6., 12.])
    """
    x = x if isinstance(x, Tensor) else Tensor(x)
    v = v if isinstance(v, Tensor) else Tensor(v, x.dtype)
    if v.shape != x.shape:
        raise ShapeError("hvp(f, x, v)", f"x {x.shape} and v {v.shape}", "equal shapes", "give v the shape of x")
    return grad(lambda z: (grad(f)(z) * v).sum())(x)
