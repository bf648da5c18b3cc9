"""``compile``: a function that is traced at its first call and runs as one program from then on."""

from __future__ import annotations

import functools
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.compiler.build import build
from chainrule.compiler.cells import Setting
from chainrule.compiler.executable import Executable
from chainrule.compiler.explain import Event, explain
from chainrule.compiler.program import Program
from chainrule.compiler.trace import Guard, NeedsEagerStep, Place, Trace, trace
from chainrule.core.config import BACKENDS, config
from chainrule.core.errors import ConfigError, GraphError, ShapeError
from chainrule.core.modes import get_default_dtype, local
from chainrule.tensor import Tensor

__all__ = ["Compiled", "compile"]

Array = np.ndarray[Any, Any]

#: Traces of one function after which it runs eagerly: something that is taken for granted changes all the time.
MOST_TRACES = 64


class Entry:
    """A trace with its executable."""

    def __init__(self, made: Trace, executable: Executable) -> None:
        self.trace, self.executable = made, executable

    def holds(self) -> bool:
        """Whether everything that was taken for granted still is."""
        return all(guard.holds() for guard in self.trace.guards)

    def arrays(self, leaves: list[Tensor]) -> list[Array]:
        """The values of cells and arguments now."""
        for slot, leaf in zip(self.trace.slots, leaves, strict=True):
            slot.tensor = leaf
        return [*(cell.load() for cell in self.trace.cells), *(leaf.node.value for leaf in leaves)]

    def finish(self, outputs: list[Array], results: int) -> Any:
        """New state into its cells, results into the structure in which the function returned them."""
        for cell, value in zip(self.trace.updated, outputs[results:], strict=True):
            cell.store(value)
        self.trace.finish()
        return _rebuild(self.trace.result, [Tensor._wrap(a) for a in outputs[:results]])


class Compiled:
    """A compiled function. Made by ``compile``; called as the function is.

    ``graph()``, ``source()``, ``llvm()`` and ``explain()`` show what was made of it: of its last call, or of the call
    with the arguments that they are given, which is then only traced, not run.
    """

    def __init__(
        self, function: Callable[..., Any], backend: str | None = None, keep_gradients: bool = False
    ) -> None:
        if not callable(function):
            raise ConfigError("cr.compile(fn)", f"{function!r}", "a function", "pass the function itself")
        if backend is not None and backend not in BACKENDS:
            raise ConfigError("cr.compile(backend=...)", repr(backend), " or ".join(BACKENDS), "leave it out")
        self.function, self.backend, self.keep_gradients = function, backend, keep_gradients
        self.name = getattr(function, "__name__", type(function).__name__)
        functools.update_wrapper(self, function, updated=())
        self.events: list[Event] = []
        self._entries: dict[Any, list[Entry]] = {}
        self._last: Entry | None = None
        self._lock = threading.RLock()
        self._bound: dict[int, tuple[Any, Compiled]] = {}

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        found = self._bound.get(id(instance))
        if found is None or found[0] is not instance:
            method = self.function.__get__(instance, owner)  # type: ignore[attr-defined]
            found = self._bound[id(instance)] = (instance, Compiled(method, self.backend, self.keep_gradients))
        return found[1]

    def __repr__(self) -> str:
        return f"<compiled {self.name}: {sum(map(len, self._entries.values()))} traces>"

    # ---- running

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result, computed by its program."""
        if local.mode.tracer is not None or self._eager():
            return self.function(*args, **kwargs)
        with self._lock:
            leaves: list[Tensor] = []
            tree = _flatten((args, kwargs), leaves)
            try:
                entry = self._entry(tree, leaves, 0)
            except NeedsEagerStep as reason:
                self.events.append(Event("eager", str(reason)))
                return self.function(*args, **kwargs)
            if entry is None:
                return self.function(*args, **kwargs)
            return entry.finish(entry.executable(entry.arrays(leaves)), entry.trace.program.results)

    def scan(self, constants: Sequence[Any] = (), streams: Sequence[Any] = ()) -> Any:
        """Run the function once for each entry along the first axis of the ``streams``, all in one call.

        The function is called as ``fn(*constants, *entries)``; state goes from step to step, and what it returns is
        stacked along a new first axis.

        >>> import chainrule as cr
        >>> w = cr.tensor([1.0], requires_grad=True)
        >>> optimizer = cr.optim.SGD([w], lr=0.25)
        >>> @cr.compile
        ... def step(target, x):
        ...     optimizer.zero_grad()
        ...     loss = ((w * x - target) ** 2).sum()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> step.scan([cr.tensor([3.0])], [cr.ones(3, 1)]), w
        (tensor([4.  , 1.  , 0.25]), tensor([2.75], requires_grad=True))

        Raises:
            ShapeError: streams of different lengths, or none.
        """
        fixed, moving = [_as_tensor(x) for x in constants], [_as_tensor(x) for x in streams]
        lengths = {x.shape[0] if x.ndim else 0 for x in moving}
        if len(lengths) != 1 or 0 in lengths:
            shapes = ", ".join(str(x.shape) for x in moving) or "no streams"
            raise ShapeError(
                f"{self.name}.scan(constants, streams)", shapes, "streams with one first axis, an entry for each step",
                "give each stream a first axis with as many entries as there are steps",
            )  # fmt: skip
        steps = lengths.pop()
        with self._lock:
            done: list[Any] = []
            entry = None
            while entry is None and len(done) < steps:
                entries = [Tensor._wrap(x.node.value[len(done)]) for x in moving]
                if local.mode.tracer is None and not self._eager():
                    leaves: list[Tensor] = []
                    tree = _flatten(((*fixed, *entries), {}), leaves)
                    try:
                        entry = self._entry(tree, leaves, len(moving))
                    except NeedsEagerStep as reason:
                        self.events.append(Event("eager", str(reason)))
                if entry is None:
                    done.append(self.function(*fixed, *entries))
            if entry is None:
                return _stack(done)
            rest = [Tensor._wrap(x.node.value[len(done) :]) for x in moving]
            result = self._scan(entry, [*fixed, *rest], steps - len(done))
        return result if not done else _stack(done, result)

    def _scan(self, entry: Entry, leaves: list[Tensor], steps: int) -> Any:
        arrays = entry.arrays(leaves)
        if any(isinstance(cell, Setting) for cell in entry.trace.cells) and entry.trace.deferred:
            return self._scan_with_schedule(entry, leaves, steps)
        return entry.finish(entry.executable.scan(arrays, steps), entry.trace.program.results)

    def _scan_with_schedule(self, entry: Entry, leaves: list[Tensor], steps: int) -> Any:
        """A schedule changes the settings from step to step: one call a step."""
        streams = entry.trace.program.streams
        fixed, moving = leaves[: len(leaves) - streams], leaves[len(leaves) - streams :]
        results = []
        for step in range(steps):
            entries = [Tensor._wrap(x.node.value[step : step + 1]) for x in moving]
            outputs = entry.executable.scan(entry.arrays([*fixed, *entries]), 1)
            results.append(entry.finish(outputs, entry.trace.program.results))
        return _join(results)

    def _eager(self) -> bool:
        return (self.backend or config.backend) == "eager"

    # ---- tracing

    def _entry(self, tree: Any, leaves: list[Tensor], streams: int) -> Entry | None:
        """A trace that fits this call; None where the function is to run eagerly."""
        mode = local.mode
        key = (
            _static(tree), tuple((x.node.aval, x.node.requires_grad) for x in leaves), streams, mode.grad,
            get_default_dtype(), self.backend or config.backend,
        )  # fmt: skip
        entries = self._entries.setdefault(key, [])
        for entry in entries:
            if entry.holds():
                self._last = entry
                return entry
        if len(self.events) > MOST_TRACES and self._traces() >= MOST_TRACES:
            self._give_up()
            return None
        reason = self._reason(entries)
        start = time.perf_counter()
        made = trace(self.function, tree, leaves, streams, self.keep_gradients, _names(self.function, tree, leaves))
        made.guards += _guards(self.function)
        traced = time.perf_counter()
        executable = build(made.program, self.backend or config.backend)
        entry = Entry(made, executable)
        entries.insert(0, entry)
        self._last = entry
        self.events.append(Event("traced", reason, entry, traced - start, time.perf_counter() - traced))
        return entry

    def _traces(self) -> int:
        return sum(map(len, self._entries.values()))

    def _reason(self, entries: list[Entry]) -> str:
        """Why this call is traced."""
        if entries:
            broken = next(g for g in entries[0].trace.guards if not g.holds())
            return f"{broken.what} changed"
        return "the first call" if not self._traces() else "arguments of other shapes, types or static values"

    def _give_up(self) -> None:
        if not any(event.kind == "given up" for event in self.events):
            reason = f"traced {MOST_TRACES} times, the last time because {self.events[-1].reason}"
            self.events.append(Event("given up", reason))
            warnings.warn(
                f"{self.name} runs eagerly from now on: {reason}. Pass what changes as a tensor; "
                f"{self.name}.explain() tells more.",
                stacklevel=4,
            )

    def _entry_for(self, asked: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        if args or kwargs:
            leaves: list[Tensor] = []
            tree = _flatten((args, kwargs), leaves)
            try:
                found = self._entry(tree, leaves, 0)
            except NeedsEagerStep as reason:
                raise GraphError(
                    f"{self.name}.{asked}(...)", f"a step whose state is not there yet: {reason}",
                    "a step that has run once", f"call {self.name}(...) once first",
                ) from None  # fmt: skip
            if found is not None:
                return found
        if self._last is None:
            raise GraphError(
                f"{self.name}.{asked}()", "a function that was not traced yet", "a call before, or arguments",
                f"call {self.name}(...) first, or pass its arguments: {self.name}.{asked}(x, y)",
            )  # fmt: skip
        return self._last

    # ---- showing

    def graph(self, *args: Any, **kwargs: Any) -> Program:
        """The traced program; it prints."""
        return self._entry_for("graph", args, kwargs).trace.program

    def source(self, *args: Any, **kwargs: Any) -> str:
        """The program as a Python module over NumPy alone: the step as one would write it by hand."""
        from chainrule.compiler.build import source

        return source(self._entry_for("source", args, kwargs).trace.program, self.name)

    def llvm(self, *args: Any, **kwargs: Any) -> str:
        """The program as LLVM's intermediate language."""
        from chainrule.compiler.build import llvm

        return llvm(self._entry_for("llvm", args, kwargs).trace.program)

    def explain(self, passes: bool = False) -> str:
        """What was traced, when and why; with ``passes`` the program after each pass too."""
        return explain(self.name, self.events, self._last, passes)


def compile(
    function: Callable[..., Any] | None = None, *, backend: str | None = None, keep_gradients: bool = False
) -> Any:
    """Make a function of tensors, a method, a module or a training step run as one compiled program. Also a decorator.

    At the first call the function is traced: its ops are recorded, with all that they read and write outside it
    (parameters, gradients, optimizer memory, running statistics, random generators, learning rates). From then on the
    recorded program runs, in native code where LLVM is installed. It is traced again for other shapes, types, Python
    values, or when something that it took for granted has changed; ``explain()`` says when and why.

    Args:
        function: a function, method or module. Tensors and arrays among its arguments are inputs; everything else is
            part of the program.
        backend: ``"llvm"``, ``"numpy"``, ``"eager"``; by default ``cr.config.backend``.
        keep_gradients: leave gradients in ``.grad`` after a step in which an optimizer used them up. By default they
            are not kept, which saves writing them.

    Python's own side effects (``print``, appending to a list) happen while tracing only. Results carry no history: put
    ``backward()`` inside the function.

    >>> import chainrule as cr
    >>> @cr.compile
    ... def f(x):
    ...     return (x * x + 1).sqrt()
    >>> f(cr.tensor([0.0, 1.0]))
    tensor([1.    , 1.4142])
    >>> print(f.graph())
    inputs: x: f32[2]
    %1: f32[2] = multiply x x
    %2: f32[2] = add %1 1
    %3: f32[2] = sqrt %2
    return %3

    Raises:
        GradientError: the function looks at a traced number, for example in an ``if``.
    """
    if function is None:
        return functools.partial(compile, backend=backend, keep_gradients=keep_gradients)
    return Compiled(function, backend, keep_gradients)


# ---- structures of arguments and results


def _as_tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(x)


def _flatten(tree: Any, leaves: list[Tensor]) -> Any:
    """Arguments with places for tensors and arrays; each tensor once, though it be passed twice."""
    if isinstance(tree, (Tensor, np.ndarray)):
        leaves.append(tree if isinstance(tree, Tensor) else Tensor._wrap(tree) if _plain(tree) else Tensor(tree))
        return Place(len(leaves) - 1)
    if isinstance(tree, dict):
        return {k: _flatten(v, leaves) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [_flatten(v, leaves) for v in tree]
        return tree._make(items) if hasattr(tree, "_make") else type(tree)(items)
    return tree


def _plain(array: Array) -> bool:
    return str(array.dtype) in ("float32", "float64", "int64", "int32", "uint8", "bool")


def _static(tree: Any) -> Any:
    """A hashable image of a structure."""
    if isinstance(tree, dict):
        return ("dict", *((k, _static(v)) for k, v in tree.items()))
    if isinstance(tree, (list, tuple)):
        return (type(tree).__name__, *(_static(v) for v in tree))
    try:
        hash(tree)
    except TypeError:
        return (type(tree).__name__, id(tree))
    return (type(tree).__name__, tree)


def _rebuild(tree: Any, values: list[Tensor]) -> Any:
    if isinstance(tree, Place):
        return values[tree.index]
    if isinstance(tree, dict):
        return {k: _rebuild(v, values) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [_rebuild(v, values) for v in tree]
        return tree._make(items) if hasattr(tree, "_make") else type(tree)(items)
    return tree


def _zip(combine: Callable[[list[Array]], Array], trees: list[Any]) -> Any:
    """One structure from several of the same form."""
    first = trees[0]
    if isinstance(first, Tensor):
        return Tensor._wrap(combine([t.node.value for t in trees]))
    if isinstance(first, dict):
        return {k: _zip(combine, [t[k] for t in trees]) for k in first}
    if isinstance(first, (list, tuple)):
        items = [_zip(combine, [t[i] for t in trees]) for i in range(len(first))]
        return first._make(items) if hasattr(first, "_make") else type(first)(items)
    return first


def _join(parts: list[Any]) -> Any:
    return _zip(np.concatenate, parts)


def _stack(done: list[Any], rest: Any = None) -> Any:
    """Results of single steps along a new axis, before those of a scan."""
    stacked = _zip(np.stack, done)
    return stacked if rest is None else _join([stacked, rest])


def _names(function: Callable[..., Any], tree: Any, leaves: list[Tensor]) -> list[str]:
    """The parameter names of the function for its arguments, ``x`` or ``batch_0`` and ``batch_1``."""
    import inspect

    args, kwargs = tree
    try:
        parameters = list(inspect.signature(getattr(function, "forward", function)).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = []
    for i in range(len(args)):
        named = i < len(parameters) and parameters[i].kind is not parameters[i].VAR_POSITIONAL
        names.append(parameters[i].name if named else f"arg{i}")
    found = [f"arg{i}" for i in range(len(leaves))]

    def walk(part: Any, name: str) -> None:
        if isinstance(part, Place):
            found[part.index] = name
        elif isinstance(part, dict):
            for k, v in part.items():
                walk(v, f"{name}_{k}")
        elif isinstance(part, (list, tuple)):
            for i, v in enumerate(part):
                walk(v, f"{name}_{i}")

    for part, name in zip(args, names, strict=True):
        walk(part, name)
    for name, part in kwargs.items():
        walk(part, name)
    return found


def _guards(function: Callable[..., Any]) -> list[Guard]:
    """The numbers and texts that a function reads from around it are part of its program."""
    code, guards = getattr(function, "__code__", None), []
    if code is None:
        return []
    around = dict(zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False))
    for name, cell in around.items():
        guards.append(Guard(f"the variable {name}", lambda cell=cell: _image(cell.cell_contents)))
    values = function.__globals__  # type: ignore[attr-defined]
    for name in code.co_names:
        if isinstance(values.get(name), (bool, int, float, str)):
            guards.append(Guard(f"the global {name}", lambda name=name: _image(values.get(name))))
    return guards


def _image(value: Any) -> Any:
    """Plain values by what they are, everything else by which it is."""
    return value if isinstance(value, (bool, int, float, str, type(None))) else id(value)


