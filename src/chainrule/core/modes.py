"""What ``apply`` does with an op, thread by thread: modes are context managers that restore on exit."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from chainrule.core.aval import canonical_dtype, float32, is_float
from chainrule.core.errors import ConfigError

__all__ = [
    "Changes",
    "Mode",
    "current",
    "deriving",
    "enable_grad",
    "get_default_dtype",
    "is_grad_enabled",
    "no_grad",
    "set_default_dtype",
]

F = TypeVar("F", bound=Callable[..., Any])


class Mode:
    """The answers behind ``apply`` in one thread."""

    __slots__ = ("calls", "deriving", "grad", "interpret", "scope", "tracer", "watch")

    def __init__(self) -> None:
        #: Another interpretation of ops than the eager one: ``interpret(op, inputs)``.
        self.interpret: Callable[[Any, tuple[Any, ...]], Any] | None = None
        #: Who answers ``interpret`` while a function is traced: it is told of every read and write of state (see
        #: ``compiler.tracer.Tracer``). None otherwise.
        self.tracer: Any = None
        #: Whether nodes are recorded for a gradient.
        self.grad = True
        #: The module being called, as a linked list ``(outer scope, module, line of the call if known)``.
        self.scope: Any = None
        #: Called after each op with (op, output node, input nodes).
        self.watch: Callable[[Any, Any, Any], None] | None = None
        #: Modules finished within the outermost call, with what they returned.
        self.calls: list[Any] | None = None
        #: How many derivatives of functions are being taken: compiled functions within run as they are.
        self.deriving = 0


class Changes:
    """Counts changes of modules' attributes, so that nobody looks at a model again in which nothing has changed."""

    count = 0


class _Local(threading.local):
    def __init__(self) -> None:
        self.mode = Mode()


local = _Local()


def current() -> Mode:
    """This thread's mode."""
    return local.mode


class _SetGrad:
    """Context manager and decorator that switches the recording of gradients."""

    enabled: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        mode = local.mode
        self._before.append(mode.grad)
        mode.grad = self.enabled

    def __exit__(self, *error: object) -> None:
        local.mode.grad = self._before.pop()

    def __call__(self, function: F) -> F:
        kind = type(self)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with kind():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class no_grad(_SetGrad):
    """Compute without recording: inside, results never require a gradient. Also a decorator.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
    >>> with cr.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    enabled = False


class enable_grad(_SetGrad):
    """Record again inside a ``no_grad`` block.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0], requires_grad=True)
    >>> with cr.no_grad(), cr.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    enabled = True


class deriving:
    """While a derivative of a function is taken: compiled functions in it run as they are, so that there is a history."""

    def __enter__(self) -> None:
        local.mode.deriving += 1

    def __exit__(self, *error: object) -> None:
        local.mode.deriving -= 1


def is_grad_enabled() -> bool:
    """Whether ops are recorded for a gradient in this thread.

    >>> is_grad_enabled()
    True
    """
    return local.mode.grad


_default_dtype = float32


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of Python floats that meet no tensor, of new parameters, and of random numbers.

    >>> get_default_dtype()
    dtype('float32')
    """
    return _default_dtype


def set_default_dtype(dtype: Any) -> None:
    """Make float32 (the default) or float64 the dtype of new parameters and of Python floats.

    >>> set_default_dtype("float64"); get_default_dtype()
    dtype('float64')
    >>> set_default_dtype("float32")
    """
    global _default_dtype
    found = canonical_dtype(dtype)
    if not is_float(found):
        raise ConfigError("set_default_dtype(dtype)", str(found), "float32 or float64", "pass a float dtype")
    _default_dtype = found
