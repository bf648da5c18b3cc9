"""The operators and methods of tensors that are functions of the ops room under another spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.core.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.tensor import Tensor

__all__ = ["Methods"]

Axis = int | tuple[int, ...] | list[int] | None


class Methods:
    """Operators, reductions and changes of shape: each one line that calls its op."""

    __slots__ = ()

    def backward(self: Any, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add the gradient of this scalar to ``.grad`` of every leaf it came from (see ``autodiff.backward``)."""
        autodiff.backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    # ---- arithmetic

    def __add__(self, other: Any) -> Tensor:
        return apply(ops.ADD, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return apply(ops.ADD, other, self)

    def __sub__(self, other: Any) -> Tensor:
        return apply(ops.SUBTRACT, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return apply(ops.SUBTRACT, other, self)

    def __mul__(self, other: Any) -> Tensor:
        return apply(ops.MULTIPLY, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return apply(ops.MULTIPLY, other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return apply(ops.DIVIDE, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return apply(ops.DIVIDE, other, self)

    def __pow__(self, other: Any) -> Tensor:
        return ops.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def dot(self, other: Any) -> Tensor:
        """Matrix product, or inner product of vectors."""
        return ops.matmul(self, other)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __abs__(self) -> Tensor:
        return ops.absolute(self)

    # ---- comparison and logic

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.equal(self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.not_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ops.greater_equal(self, other)

    def __and__(self, other: Any) -> Tensor:
        return ops.logical_and(self, other)

    def __or__(self, other: Any) -> Tensor:
        return ops.logical_or(self, other)

    def __xor__(self, other: Any) -> Tensor:
        return ops.logical_xor(self, other)

    def __invert__(self) -> Tensor:
        return ops.logical_not(self)

    def __getitem__(self, index: Any) -> Tensor:
        return ops.index(self, index)

    # ---- functions of one tensor; the rarer ones are found by __getattr__

    def exp(self) -> Tensor:
        """``e^x``."""
        return ops.exp(self)

    def log(self) -> Tensor:
        """Natural logarithm."""
        return ops.log(self)

    def sqrt(self) -> Tensor:
        """Square root."""
        return ops.sqrt(self)

    def sigmoid(self) -> Tensor:
        """``1/(1 + e^-x)``."""
        return ops.sigmoid(self)

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""
        return ops.tanh(self)

    def relu(self) -> Tensor:
        """``max(x, 0)``."""
        return ops.relu(self)

    # ---- element type

    def astype(self, dtype: Any) -> Tensor:
        """The same numbers in another element type."""
        return ops.cast(self, dtype)

    def to(self: Any, target: Any, *more: Any, **options: Any) -> Tensor:
        """``t.to(dtype)`` casts; ``t.to("cpu")`` is the tensor itself, since this is where tensors live."""
        name = str(getattr(target, "type", target))
        if name == "cpu":
            return self
        if name.startswith(("cuda", "mps", "xpu")):
            raise ChainruleError(f"t.to({target!r})", "a device", "cpu", 'write device = "cpu"')
        return ops.cast(self, target)

    def type_as(self, other: Tensor) -> Tensor:
        """In the element type of ``other``."""
        return ops.cast(self, other.dtype)

    def cpu(self: Any) -> Tensor:
        """The tensor itself."""
        return self

    def clone(self: Any) -> Tensor:
        """The same value; gradients pass through."""
        return ops.cast(self, self.dtype)

    # ---- shape

    def reshape(self, *shape: Any) -> Tensor:
        """The elements in another shape; -1 stands for what is left."""
        return ops.reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Merge the axes from ``start_dim`` to ``end_dim``."""
        return ops.flatten(self, start_dim, end_dim)

    def transpose(self, *axes: Any) -> Tensor:
        """Reverse the axes, swap two (``t.transpose(0, 1)`` on any tensor, as in PyTorch), or order all of them."""
        return ops.transpose_method(self, axes)

    def permute(self, *axes: Any) -> Tensor:
        """Put the axes in the given order."""
        return ops.transpose(self, axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes)

    def t(self) -> Tensor:
        """The transpose of a matrix."""
        return ops.transpose(self)

    def squeeze(self, axis: Axis = None, *, dim: Axis = None) -> Tensor:
        """Drop axes of length one."""
        return ops.squeeze(self, axis if dim is None else dim)

    def unsqueeze(self, axis: int | None = None, *, dim: int | None = None) -> Tensor:
        """Insert an axis of length one."""
        return ops.expand_dims(self, axis if dim is None else dim)

    def expand(self, *shape: Any) -> Tensor:
        """Broadcast; -1 keeps an axis as it is."""
        return ops.expand(self, shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)

    # ---- reductions: axis and keepdims as in NumPy, dim and keepdim as in PyTorch

    def sum(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Tensor:
        """Sum over ``axis``, or over everything."""
        return ops.sum(self, axis if dim is None else dim, keepdims or keepdim)

    def mean(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Tensor:
        """Mean over ``axis``, or over everything."""
        return ops.mean(self, axis if dim is None else dim, keepdims or keepdim)

    def prod(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False) -> Tensor:
        """Product over ``axis``, or over everything."""
        return ops.prod(self, axis if dim is None else dim, keepdims or keepdim)

    def var(
        self,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        correction: float = 1,
        dim: Axis = None,
        keepdim: bool = False,
    ) -> Tensor:
        """Variance; ``correction=1`` (PyTorch's default) divides by n - 1."""
        return ops.var(self, axis if dim is None else dim, keepdims or keepdim, correction=correction)

    def std(
        self,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        correction: float = 1,
        dim: Axis = None,
        keepdim: bool = False,
    ) -> Tensor:
        """Standard deviation; ``correction=1`` (PyTorch's default) divides by n - 1."""
        return ops.std(self, axis if dim is None else dim, keepdims or keepdim, correction=correction)

    def max(self, axis: Axis = None, keepdims: bool = False, *, dim: int | None = None, keepdim: bool = False) -> Any:
        """Maximum over ``axis``, as in NumPy; with ``dim=``, PyTorch's pair (values, indices)."""
        if dim is not None:
            return ops.max(self, dim, keepdims or keepdim), ops.argmax(self, dim, keepdims or keepdim)
        return ops.max(self, axis, keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False, *, dim: int | None = None, keepdim: bool = False) -> Any:
        """Minimum over ``axis``, as in NumPy; with ``dim=``, PyTorch's pair (values, indices)."""
        if dim is not None:
            return ops.min(self, dim, keepdims or keepdim), ops.argmin(self, dim, keepdims or keepdim)
        return ops.min(self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False, *, dim: int | None = None) -> Tensor:
        """Index of the first maximum."""
        return ops.argmax(self, axis if dim is None else dim, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False, *, dim: int | None = None) -> Tensor:
        """Index of the first minimum."""
        return ops.argmin(self, axis if dim is None else dim, keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None) -> Tensor:
        """Whether every element is true."""
        return ops.all(self, axis if dim is None else dim, keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None) -> Tensor:
        """Whether any element is true."""
        return ops.any(self, axis if dim is None else dim, keepdims)

    def cumsum(self, axis: int | None = None, *, dim: int | None = None) -> Tensor:
        """Running sum along ``axis``."""
        return ops.cumsum(self, axis if dim is None else dim)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None) -> Tensor:
        """Log of the sum of exponentials, without overflow."""
        return ops.logsumexp(self, axis if dim is None else dim, keepdims)

    def softmax(self, axis: int | None = None, *, dim: int | None = None) -> Tensor:
        """Probabilities along ``axis``."""
        return ops.softmax(self, axis if dim is None else dim)

    def log_softmax(self, axis: int | None = None, *, dim: int | None = None) -> Tensor:
        """Log of the softmax, computed stably."""
        return ops.log_softmax(self, axis if dim is None else dim)

    # ---- element functions


# At the end, because ops and derivatives are built on tensors: methods look them up when they are called.
# ops come first: they bring in Tensor, which derivatives need whole.
from chainrule import ops  # noqa: E402

# isort: split
from chainrule import autodiff  # noqa: E402
from chainrule.core.apply import apply  # noqa: E402
