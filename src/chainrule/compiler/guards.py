"""Guards: what a traced program took for granted of the world around it. When one no longer holds, it is traced again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from operator import is_
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from chainrule.core.errors import ChainruleError
from chainrule.core.modes import Changes
from chainrule.core.source import in_library
from chainrule.tensor import Tensor

__all__ = [
    "Guard", "Guards", "ListGuard", "MemoryGuard", "ModuleGuard", "NumbersGuard", "Same", "Sames", "TypeGuard", "checked",
    "image", "module_image", "surroundings", "variables",
]  # fmt: skip

Array = np.ndarray[Any, Any]

_PLAIN = frozenset({bool, int, str, bytes, complex, type(None)})
#: Longer lists, tuples and dicts count as unchanged while they are the same object of the same length.
_SMALL = 16
#: Attributes of a module that are not the user's settings.
_INTERNAL = frozenset({"_parameters", "_buffers", "_modules", "_hooks", "_arguments"})


class Same:
    """An object, equal to itself alone; held, so that no other object takes its identity."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return type(other) is Same and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


class Sames(list[Any]):
    """Objects, equal to the same objects in the same order."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Sames and len(self) == len(other) and all(map(is_, self, other))

    __hash__ = None


#: Stands for no object that is ever read.
_NOTHING = object()


def _is_settled(value: Any) -> bool:
    """Whether the image of a value is the same as long as it is the same object."""
    kind = type(value)
    return all(map(_is_settled, value)) if kind is tuple else kind is not list and kind is not dict


def image(value: Any, depth: int = 3) -> Any:
    """What a value looks like: plain values and small containers by their content, all else by which object it is.

    >>> image([1, 2.0]) == image([1, 2.0]), image(1) == image(1.0), image(float("nan")) == image(float("nan"))
    (True, False, True)
    """
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    if kind is float:
        return kind, value.hex()  # NaN is the same as before, and -0.0 is not 0.0
    if isinstance(value, np.generic):
        return kind, value.tobytes()
    if kind in (list, tuple, dict) and depth:
        if len(value) > _SMALL:
            return Same(value), len(value)
        items = [*value, *value.values()] if kind is dict else value
        return kind, [image(item, depth - 1) for item in items]
    return Same(value)


class Guard:
    """Something that was read while tracing; ``holds`` says whether it would look the same if it were read again.

    ``look`` gives what is to be the same, such as the ``image`` of a value; by default what is read itself. ``setting``
    is the group, by identity, and the key of an optimizer's setting, for which an input can stand.
    """

    __slots__ = ("look", "read", "same", "setting", "value", "what")

    def __init__(
        self,
        what: str,
        read: Callable[[], Any],
        look: Callable[[Any], Any] | None = None,
        setting: tuple[int, str] | None = None,
    ) -> None:
        self.what, self.read, self.look, self.setting = what, read, look, setting
        now = read()
        self.value = now if look is None else look(now)
        #: While this very object is read, it looks the same: nearly always, so no image is made.
        self.same = now if _is_settled(now) else _NOTHING

    def holds(self) -> bool:
        """Whether it is still as it was."""
        now = self.read()
        if now is self.same:
            return True
        equal = bool((now if self.look is None else self.look(now)) == self.value)
        if equal and _is_settled(now):
            self.same = now
        return equal


class ListGuard(Guard):
    """A list of the same objects."""

    __slots__ = ()

    def __init__(self, what: str, read: Callable[[], list[Any]]) -> None:
        super().__init__(what, read, tuple)

    def holds(self) -> bool:
        """Whether the same objects stand in it, in the same order."""
        now = self.read()
        return len(now) == len(self.value) and all(map(is_, now, self.value))


class TypeGuard(Guard):
    """What a trace takes for granted of a tensor from outside: type, whether it learns or has a history, its hooks."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        node = tensor.node
        self.what, self.setting = "a tensor's type", None
        self.value = node.aval, node.requires_grad, node.op is None, node.tap and tuple(node.tap.hooks)

    def holds(self) -> bool:
        """Whether all of these are the same."""
        node, (aval, learns, leaf, hooks) = self.tensor.node, self.value
        if node.aval is not aval or node.requires_grad is not learns or (node.op is None) is not leaf:
            return False
        now = node.tap and node.tap.hooks
        if not now or not hooks:
            return (now is None) is (hooks is None) and not now and not hooks
        return len(now) == len(hooks) and all(map(is_, now, hooks))


class MemoryGuard(Guard):
    """What an optimizer remembers of a parameter: the names, shapes and types, not the numbers."""

    __slots__ = ("optimizer", "parameter")

    def __init__(self, optimizer: Any, parameter: Tensor) -> None:
        self.optimizer, self.parameter = optimizer, parameter
        self.what, self.setting = f"what {type(optimizer).__name__} remembers", None
        self.value = [(key, t.node.aval) for key, t in optimizer.state.get(parameter, {}).items()]

    def holds(self) -> bool:
        """Whether it remembers the same things."""
        memory = self.optimizer.state.get(self.parameter) or {}
        if len(memory) != len(self.value):
            return False
        for key, aval in self.value:  # noqa: SIM110  a loop is faster, and this runs at each call
            if key not in memory or memory[key].node.aval is not aval:
                return False
        return True


class ModuleGuard(Guard):
    """A module as it was. A ``steady`` one changes with notice, as ``Changes`` counts it."""

    __slots__ = ("steady",)

    def __init__(self, module: Any) -> None:
        super().__init__(f"the mode or attributes of {type(module).__name__}", lambda: module_image(module))
        # What is inside a list or dict changes without notice.
        self.steady = not any(
            isinstance(value, (list, dict, set)) for name, value in vars(module).items() if name not in _INTERNAL
        )


class NumbersGuard(Guard):
    """What ``check`` says of numbers that are there before a call, such as labels: whether they are of a simple kind.

    For those there is a simpler program. ``check`` raises for numbers that are never right; but where the function
    takes only ``some`` of them, these may be others, so nothing is raised unless an index made of them was refused.
    """

    __slots__ = ("check", "slot", "some")

    def __init__(self, what: str, slot: Any, check: Callable[[Array], bool], some: bool, numbers: Array) -> None:
        self.what, self.slot, self.check, self.some, self.setting = what, slot, check, some, None
        self.value = checked(check, some, numbers)

    def holds(self) -> bool:
        """Whether the program is right for the numbers now. The one for any kind is right for simple ones too."""
        if self.some and not self.value:
            return True
        return bool(checked(self.check, self.some, self.slot.tensor.node.value)) or not self.value

    def blame(self) -> None:
        """Raise what is wrong with the numbers, if anything is."""
        self.check(self.slot.tensor.node.value)


def checked(check: Callable[[Array], bool], some: bool, numbers: Array) -> bool | None:
    """What ``check`` says; None where it refuses numbers of which only ``some`` are used."""
    try:
        return check(numbers)
    except ChainruleError:
        if some:
            return None
        raise


class Guards:
    """All that a trace took for granted, sorted so that a look at it is quick where nothing has changed."""

    def __init__(self, guards: Iterable[Guard] = ()) -> None:
        self.every: list[Guard] = []
        self._plain: list[Guard] = []
        #: Modules, looked at again only when some module has changed since the last look.
        self._modules: list[Guard] = []
        self._seen = Changes.count
        self._others: list[Guard] = []
        self.add(guards)

    def add(self, guards: Iterable[Guard]) -> None:
        """Some more of them, which hold now."""
        for guard in guards:
            self.every.append(guard)
            if type(guard) is Guard:
                self._plain.append(guard)
            elif isinstance(guard, ModuleGuard) and guard.steady:
                self._modules.append(guard)
            else:
                self._others.append(guard)

    def hold(self) -> bool:
        """Whether all of them hold. Written as loops: this runs at each call of a compiled function."""
        for guard in self._plain:
            if guard.read() is not guard.same and not guard.holds():
                return False
        if self._seen != Changes.count:
            count = Changes.count
            if not all(guard.holds() for guard in self._modules):
                return False
            self._seen = count
        for guard in self._others:  # noqa: SIM110
            if not guard.holds():
                return False
        return True

    def broken(self) -> list[Guard]:
        """Those that no longer hold."""
        return [guard for guard in self.every if not guard.holds()]


def module_image(module: Any) -> Any:
    """What a trace takes for granted of a module: its attributes, and which tensors, modules and hooks it holds."""
    parameters, buffers, modules = module._parameters, module._buffers, module._modules
    plain = [
        (name, image(value))
        for name, value in vars(module).items()
        if name not in _INTERNAL and name not in parameters and name not in buffers and name not in modules
    ]
    return plain, Sames([*parameters.values(), *buffers.values(), *modules.values(), *module._hooks])


def surroundings(function: Any, seen: set[Any] | None = None) -> list[Guard]:
    """Guards for what a function reads from around it.

    These are its closed-over variables and globals, the attributes of these and of ``self`` that its text names, and
    the same for the user's own functions that it calls. ``seen`` remembers what has a guard already.
    """
    search = _Search(set() if seen is None else seen)
    search.function(function)
    return search.guards


class _Search:
    def __init__(self, seen: set[Any]) -> None:
        self.guards: list[Guard] = []
        self.seen = seen

    def function(self, function: Any) -> None:
        """Guards for one function, method, module, or object with ``__call__``."""
        function = _with_code(function)
        if function is None:
            return
        code, owner = function.__code__, getattr(function, "__self__", None)
        if (code, id(owner)) in self.seen:
            return
        self.seen.add((code, id(owner)))
        names = set(_names(code))
        inside = in_library(function)  # cr.grad(f) holds f
        for name, read in _variables(function).items():
            if not inside:
                self.variable(name, read, names, code)
            elif isinstance(read(), (FunctionType, MethodType)):
                self.function(read())
        if owner is not None and not inside:
            self.attributes(type(owner).__name__, owner, names, code, 2)

    def variable(self, name: str, read: Callable[[], Any], names: set[str], code: CodeType) -> None:
        """A guard for one variable and for what is read of its value."""
        value = read()
        if not isinstance(value, ModuleType):
            self.guards.append(Guard(f"the variable {name}", read, image))
        self.attributes(name, value, names, code, 2)

    def attributes(self, what: str, value: Any, names: set[str], code: CodeType, depth: int) -> None:
        """Guards for the attributes of ``value`` that a function's text names."""
        if isinstance(value, (Tensor, np.ndarray, type)) or getattr(value, "__name__", "") in ("numpy", "chainrule"):
            return
        if isinstance(value, (FunctionType, MethodType, partial)) or hasattr(value, "__wrapped__"):
            return self.function(value)
        if not hasattr(value, "__dict__") or (id(value), code) in self.seen or not depth:
            return
        self.seen.add((id(value), code))
        inside = vars(value)
        for name in sorted(names):
            if name in inside:
                # What an optimizer remembers is state, not something taken for granted.
                if name == "state" and hasattr(value, "param_groups"):
                    continue
                if not isinstance(value, ModuleType) or type(inside[name]) in (*_PLAIN, float):
                    self.guards.append(Guard(f"{what}.{name}", partial(inside.get, name), image))
                self.attributes(f"{what}.{name}", inside[name], names, code, depth - 1)
            else:
                self.methods(value, name)

    def methods(self, value: Any, name: str) -> None:
        """Guards for what the user's method or property reads, in the class and in those that it extends."""
        for kind in type(value).__mro__:
            method = vars(kind).get(name)
            method = method.fget if isinstance(method, property) else getattr(method, "__wrapped__", method)
            if isinstance(method, FunctionType) and not in_library(method):
                self.function(MethodType(method, value))


def variables(function: Any) -> dict[str, Any]:
    """The closed-over variables and globals that a function's text names, with their values.

    >>> rate = 0.5
    >>> def scaled(x):
    ...     return x * rate
    >>> variables(scaled)
    {'rate': 0.5}
    """
    function = _with_code(function)
    return {} if function is None else {name: read() for name, read in _variables(function).items()}


def _variables(function: Any) -> dict[str, Callable[[], Any]]:
    """The same, with what reads them."""
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    closed: dict[str, Callable[[], Any]] = {name: partial(_content, cell) for name, cell in cells}
    found = sorted(function.__globals__.keys() & set(_names(code)) - closed.keys())
    return {**closed, **{name: partial(function.__globals__.get, name) for name in found}}


def _with_code(function: Any) -> Any:
    """The Python function behind a method, a module, something decorated, or an object with ``__call__``, if any."""
    if isinstance(function, partial):
        return _with_code(function.func)
    if hasattr(function, "_parameters"):
        return _with_code(function.forward)
    if hasattr(function, "__code__"):
        return function
    if hasattr(function, "__wrapped__"):
        return _with_code(function.__wrapped__)
    method = vars(type(function)).get("__call__")
    return MethodType(method, function) if isinstance(method, FunctionType) else None


def _names(code: CodeType) -> Iterable[str]:
    """Names of globals and attributes in a function's text, and in that of functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _content(cell: Any) -> Any:
    """What a closed-over variable holds; None before it has a value."""
    try:
        return cell.cell_contents
    except ValueError:
        return None
