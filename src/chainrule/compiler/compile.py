"""``compile``: a function that is traced at its first call and runs as one program from then on."""

from __future__ import annotations

import copy
import functools
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import ops
from chainrule.compiler.build import build
from chainrule.compiler.cells import Slot
from chainrule.compiler.executable import Executable, Interpreter
from chainrule.compiler.explain import Event, explain
from chainrule.compiler.guards import surroundings
from chainrule.compiler.program import Program
from chainrule.compiler.structure import Place, argument_names, as_leaf, flatten_call, map_tree, zip_trees
from chainrule.compiler.trace import Trace, trace
from chainrule.compiler.tracer import NeedsEagerStep
from chainrule.core.aval import Aval
from chainrule.core.config import BACKENDS, config
from chainrule.core.errors import ConfigError, GraphError, ShapeError
from chainrule.core.graph import Node, Result
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
        #: A node for each result, by its kind and type.
        self.kinds = [
            (Result if history else Node, node.aval)
            for history, node in zip(made.histories, made.program.outputs, strict=False)
        ]

    def run(self, leaves: list[Tensor], steps: int | None = None) -> Any:
        """One call, or a scan of many steps: state from its cells, through the program, and back into them."""
        made = self.trace
        arrays = [cell.load() for cell in made.cells] + [leaf.node.value for leaf in leaves]
        try:
            outputs = self.executable(arrays) if steps is None else self.executable.scan(arrays, steps)
        except ShapeError:  # an index outside its axis
            for guard in made.numbers:
                guard.blame()
            raise
        for cell, value in zip(made.updated, outputs[len(self.kinds) :], strict=True):
            cell.store(value)
        made.finish()
        values = [
            Tensor._of(kind(None, (), aval if steps is None else Aval.like(array), array))
            for (kind, aval), array in zip(self.kinds, outputs, strict=False)
        ]
        # A single tensor, as most steps return, needs no walk.
        result = values[0] if type(made.result) is Place else map_tree(lambda x: _fetched(x, values), made.result)
        made.release()
        return result


def _fetched(x: Any, values: list[Tensor]) -> Any:
    """What stands for ``x`` in the structure of results."""
    if isinstance(x, Place):
        return values[x.index]
    return x.tensor if isinstance(x, Slot) else x


class Compiled:
    """A compiled function. Made by ``compile``; called as the function is.

    ``graph()``, ``source()``, ``source_lines()``, ``llvm()`` and ``explain()`` show what was made of it: of its last call,
    or of the call with the arguments that they are given, which is then only traced, not run.
    """

    def __init__(self, function: Callable[..., Any], backend: str | None = None, keep_gradients: bool = False) -> None:
        if not callable(function):
            raise ConfigError("cr.compile(fn)", f"{function!r}", "a function", "pass the function itself")
        if backend is not None and backend not in BACKENDS:
            raise ConfigError("cr.compile(backend=...)", repr(backend), " or ".join(BACKENDS), "leave it out")
        self.function, self.backend, self.keep_gradients = function, backend, keep_gradients
        self.name = getattr(function, "__name__", type(function).__name__)
        functools.update_wrapper(self, function, updated=())
        self.events: list[Event] = []
        self._entries: dict[Any, list[Entry]] = {}
        #: What was looked up last, and what was found.
        self._last_image: Any = None
        self._last_key: Any = None
        self._last_entries: list[Entry] = []
        self._last: Entry | None = None
        self._changing: str | None = None
        #: Settings of optimizers that have changed between calls.
        self._moving: set[tuple[int, str]] = set()
        self._lock = threading.RLock()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A compiled method: one for each instance, which lives as long as that."""
        if instance is None or not hasattr(self.function, "__get__"):
            return self
        home, name = vars(instance), f"<compiled {getattr(self.function, '__qualname__', self.name)}>"
        if name not in home:
            home[name] = Compiled(self.function.__get__(instance, owner), self.backend, self.keep_gradients)
        return home[name]

    def __getattr__(self, name: str) -> Any:
        # A compiled model is still a model: compiled.parameters(), compiled.eval().
        if name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return Compiled(copy.deepcopy(self.function, memo), self.backend, self.keep_gradients)

    def __repr__(self) -> str:
        return f"<compiled {self.name}: {self._traces()} traces>"

    # ---- running

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result, computed by its program."""
        if self._plainly():
            return self.function(*args, **kwargs)
        with self._lock:
            tree, image, leaves = flatten_call(args, kwargs)
            entry = self._entry_or_reason(tree, image, leaves)
            return self.function(*args, **kwargs) if entry is None else entry.run(leaves)

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
        moving = [as_leaf(x) for x in streams]
        lengths = {x.shape[0] if x.ndim else 0 for x in moving}
        if len(lengths) != 1 or 0 in lengths:
            shapes = ", ".join(str(x.shape) for x in moving) or "no streams"
            raise ShapeError(
                f"{self.name}.scan(constants, streams)", shapes, "streams with one first axis, an entry for each step",
                "give each stream a first axis with as many entries as there are steps",
            )  # fmt: skip
        steps = lengths.pop()
        if self._plainly():
            return zip_trees(ops.stack, [self.function(*constants, *(x[i] for x in moving)) for i in range(steps)])
        with self._lock:
            parts: list[Any] = []
            done = 0
            while done < steps:
                entries = [Tensor._wrap(np.asarray(x.node.value[done])) for x in moving]
                tree, image, leaves = flatten_call((*constants, *entries), {})
                rest = [Tensor._wrap(x.node.value[done:]) for x in moving]
                given = [*leaves[: len(leaves) - len(moving)], *rest]
                entry = self._entry_or_reason(tree, image, leaves, len(moving), given)
                if entry is None:
                    parts.append(zip_trees(_stacked, [self.function(*constants, *entries)]))
                    done += 1
                else:
                    # Where a step changes what the next one takes for granted, they go one by one.
                    count = steps - done if entry.trace.steady and not entry.trace.deferred else 1
                    parts.append(entry.run(given, count))
                    done += count
            return parts[0] if len(parts) == 1 else zip_trees(_joined, parts)

    def _plainly(self) -> bool:
        """Whether the function is to run as it is: while it is traced, watched or differentiated, or by choice."""
        mode = local.mode
        return (
            mode.tracer is not None
            or mode.watch is not None
            or mode.deriving > 0
            or (self.backend or config.backend) == "eager"
        )

    # ---- tracing

    def _entry_or_reason(
        self, tree: Any, image: Any, leaves: list[Tensor], streams: int = 0, given: list[Tensor] | None = None
    ) -> Entry | None:
        """A trace that fits this call; None where the function is to run eagerly, for a reason that is noted."""
        try:
            return self._entry(tree, image, leaves, streams, given or leaves)
        except NeedsEagerStep as reason:
            self.events.append(Event("eager", str(reason)))
            return None

    def _entry(self, tree: Any, image: Any, leaves: list[Tensor], streams: int, given: list[Tensor]) -> Entry | None:
        """A trace that fits this call, with its slots pointed at the call's tensors; None if there are too many."""
        nodes = [x.node for x in leaves]
        kinds = [(n.aval, n.requires_grad, n.op is None or not n.requires_grad) for n in nodes]
        backend = self.backend or config.backend
        key = (tuple(kinds), streams, local.mode.grad, get_default_dtype(), backend)
        if image is not self._last_image or key != self._last_key:  # to compare is faster than to hash
            self._last_image, self._last_key = image, key
            self._last_entries = self._entries.setdefault((image, key), [])
        entries = self._last_entries
        for entry in entries:
            if entry.trace.holds(given):
                self._last = entry
                return entry
        if self._traces() >= MOST_TRACES:
            self._give_up()
            return None
        reason = self._reason(entries, given)
        start = time.perf_counter()
        around = surroundings(self.function)
        names = argument_names(self.function, tree, len(leaves))
        moving = frozenset(self._moving)
        made = trace(self.function, tree, leaves, streams, self.keep_gradients, names, moving, given)
        made.guards.add(around)
        traced = time.perf_counter()
        broken = made.guards.broken()
        self._changing = broken[0].what if broken else None
        if self._changing is None:
            entry = Entry(made, build(made.program, backend))
            entries.insert(0, entry)
        else:  # its Python code changes what it reads, so the program is for this call alone
            made.steady = False
            entry = Entry(made, Interpreter(made.program))
        made.point(given)
        self._last = entry
        self.events.append(Event("traced", reason, entry, traced - start, time.perf_counter() - traced))
        return entry

    def _traces(self) -> int:
        return sum(event.kind == "traced" for event in self.events)

    def _reason(self, entries: list[Entry], leaves: list[Tensor]) -> str:
        """Why this call is traced."""
        if entries:
            last = entries[0].trace
            last.point(leaves)
            broken = last.broken()
            self._moving |= {guard.setting for guard in broken if guard.setting is not None}
            return (
                f"{broken[0].what} changed" if broken else "an argument that the function also reaches in another way"
            )
        if self._changing is not None:
            return f"{self._changing} changes in the function itself"
        return "the first call" if not self._traces() else "arguments of other shapes, types or static values"

    def _give_up(self) -> None:
        if not any(event.kind == "given up" for event in self.events):
            reason = f"traced {MOST_TRACES} times, the last time because {self.events[-1].reason}"
            self.events.append(Event("given up", reason))
            warnings.warn(
                f"{self.name} runs eagerly from now on: {reason}. Pass what changes as a tensor; "
                f"{self.name}.explain() tells more.",
                stacklevel=5,
            )

    def _entry_for(self, asked: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        if args or kwargs:
            tree, image, leaves = flatten_call(args, kwargs)
            try:
                with self._lock:
                    found = self._entry(tree, image, leaves, 0, leaves)
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

    def source_lines(self, *args: Any, **kwargs: Any) -> tuple[str, dict[Node, int]]:
        """``source()``, and for each node of ``graph()`` the line of it that computes the node, counted from 1."""
        from chainrule.compiler.build import source_lines

        return source_lines(self._entry_for("source_lines", args, kwargs).trace.program, self.name)

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
    %2: f32[2] = multiply x x
    %3: f32[2] = add %2 1
    %4: f32[2] = sqrt %3
    return %4

    Raises:
        GradientError: the function looks at a traced number, for example in an ``if``.
    """
    if function is None:
        return functools.partial(compile, backend=backend, keep_gradients=keep_gradients)
    return Compiled(function, backend, keep_gradients)


def _stacked(values: list[Tensor]) -> Tensor:
    return Tensor._wrap(np.stack([x.node.value for x in values]))


def _joined(values: list[Tensor]) -> Tensor:
    return Tensor._wrap(np.concatenate([x.node.value for x in values]))
