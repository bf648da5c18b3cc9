"""Module: the base class of layers and models."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from chainrule.core.aval import canonical_dtype, is_float
from chainrule.core.errors import ChainruleError, CheckpointError, ConfigError
from chainrule.core.graph import layer_path
from chainrule.core.modes import Changes, local
from chainrule.core.source import caller, in_library
from chainrule.tensor import Parameter, Tensor

__all__ = ["Module"]


class Module:
    """A part of a model: a class that holds parameters and other modules, and says in ``forward`` what it does.

    Parameters, buffers (tensors that are saved but not learned) and submodules are found by their attribute names,
    which make stable dotted paths such as ``encoder.0.weight``.

    >>> from chainrule import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc1 = nn.Linear(2, 3)
    ...         self.fc2 = nn.Linear(3, 1)
    ...     def forward(self, x):
    ...         return self.fc2(self.fc1(x).sigmoid())
    >>> [name for name, _ in Net().named_parameters()]
    ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _hooks: list[Callable[..., Any]]
    #: Whether ``forward`` is the library's, not the user's.
    _in_library: ClassVar[bool] = True

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        module = super().__new__(cls)
        # What it was made with, so that cr.save can write the architecture down and cr.load can make it again.
        object.__setattr__(module, "_arguments", (args, kwargs))
        return module

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._in_library = in_library(cls.forward)

    def __init__(self) -> None:
        set_plainly = object.__setattr__
        set_plainly(self, "_parameters", {})
        set_plainly(self, "_buffers", {})
        set_plainly(self, "_modules", {})
        set_plainly(self, "_hooks", [])
        set_plainly(self, "training", True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; called through the module itself: ``model(x)``."""
        raise ConfigError(
            f"{type(self).__name__}(...)", "a module without forward", "a method forward(self, x)", "define forward"
        )

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        Changes.count += 1
        if "_parameters" not in self.__dict__:
            if isinstance(value, (Parameter, Module)):
                raise ConfigError(
                    f"self.{name} = ...",
                    f"a {type(value).__name__} before the module is ready",
                    "super().__init__() first",
                    f"call super().__init__() at the top of {type(self).__name__}.__init__",
                )
            object.__setattr__(self, name, value)
            return
        homes: tuple[dict[str, Any], ...] = (self._parameters, self._buffers, self._modules)
        if isinstance(value, Parameter):
            home = self._parameters
        elif isinstance(value, Module):
            home = self._modules  # type: ignore[assignment]
        elif isinstance(value, Tensor) and name in self._buffers:
            home = self._buffers  # type: ignore[assignment]
        elif value is None and any(name in h for h in homes):
            home = next(h for h in homes if name in h)
        else:
            for h in homes:
                h.pop(name, None)
            object.__setattr__(self, name, value)
            return
        for h in homes:
            if h is not home:
                h.pop(name, None)
        home[name] = value
        # Also an ordinary attribute, so that reading it costs what reading an attribute costs.
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        Changes.count += 1
        for home in (self._parameters, self._buffers, self._modules):
            home.pop(name, None)
        object.__delattr__(self, name)

    def register_buffer(self, name: str, value: Tensor | None) -> None:
        """Keep a tensor that is saved with the model but not learned, such as a running mean."""
        Changes.count += 1
        self._buffers[name] = value
        object.__setattr__(self, name, value)

    def register_parameter(self, name: str, value: Parameter | None) -> None:
        """Keep a parameter under a name; None keeps the name for a layer that does without."""
        Changes.count += 1
        self._parameters[name] = value
        object.__setattr__(self, name, value)

    def add_module(self, name: str, module: Module) -> None:
        """Keep a submodule under a name that need not be an identifier, such as ``"0"``."""
        if not isinstance(module, Module):
            raise ConfigError(
                f"add_module({name!r}, ...)",
                f"a {type(module).__name__}",
                "an nn.Module",
                "pass a layer object such as nn.ReLU(), not a class or a function",
            )
        Changes.count += 1
        self._modules[name] = module
        object.__setattr__(self, name, module)

    def child_name(self, module: Module) -> str:
        """The path of ``module`` inside this one, or its class's name if it is kept elsewhere (in a plain list, say)."""
        found = (path for path, inside in self.named_modules() if inside is module)
        return next(found, f"<{type(module).__name__}>")

    # ---- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        mode = local.mode
        outer = mode.scope
        # All ops of a library layer belong to the one line of the user's that called it.
        where = None
        if self._in_library:
            where = outer[2] if outer is not None and outer[2] is not None else caller(2)
        scope = mode.scope = (outer, self, where)
        if mode.tracer is not None:
            mode.tracer.visit(self, outer)
        if outer is None:
            mode.calls = []
        try:
            out = self.forward(*args, **kwargs)
        except ChainruleError as error:
            _add_layer(error, scope)
            if outer is None:
                _explain(error, scope, args, mode.calls or [])
            raise
        finally:
            mode.scope = outer
            if outer is None:
                mode.calls = None
        if self._hooks:
            out = self._run_hooks(args, out)
        if outer is not None and mode.calls is not None:
            # While gradients are recorded the tape keeps these tensors anyway; else their shapes will do.
            mode.calls.append((scope, args, out) if mode.grad else (scope, _shape_of(args), _shape_of(out)))
        return out

    def _run_hooks(self, args: tuple[Any, ...], out: Any) -> Any:
        for hook in list(self._hooks):
            replaced = hook(self, args, out)
            out = out if replaced is None else replaced
        return out

    def register_forward_hook(self, hook: Callable[..., Any]) -> Callable[[], None]:
        """Call ``hook(module, inputs, output)`` after each forward; what it returns replaces the output.

        Returns a function that removes the hook.
        """
        Changes.count += 1
        self._hooks.append(hook)

        def remove() -> None:
            Changes.count += 1
            if hook in self._hooks:
                self._hooks.remove(hook)

        return remove

    # ---- what is inside

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all inside it with their paths, each once, outermost first."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            inside = [(f"{path}.{n}" if path else n, m) for n, m in module._modules.items() if m is not None]
            stack.extend(reversed(inside))

    def modules(self) -> Iterator[Module]:
        """This module and all inside it."""
        return (module for _, module in self.named_modules())

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        return (module for module in self._modules.values() if module is not None)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names."""
        return ((name, module) for name, module in self._modules.items() if module is not None)

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its dotted path, each once."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, parameter in module._parameters.items():
                if parameter is not None and id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield (f"{path}.{name}" if path else name), parameter

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Every buffer with its dotted path."""
        for path, module in self.named_modules(prefix):
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    yield (f"{path}.{name}" if path else name), buffer

    def buffers(self) -> Iterator[Tensor]:
        """Every buffer."""
        return (buffer for _, buffer in self.named_buffers())

    def get_submodule(self, path: str) -> Module:
        """The module at a dotted path, such as ``encoder.2``."""
        module: Module = self
        for name in path.split(".") if path else ():
            child = module._modules.get(name)
            if child is None:
                near = difflib.get_close_matches(name, module._modules, 1)
                raise ConfigError(
                    f"get_submodule({path!r})",
                    f"no module {name!r} in {type(module).__name__}",
                    f"one of {', '.join(module._modules) or 'none'}",
                    f"did you mean {near[0]!r}?" if near else "",
                )
            module = child
        return module

    # ---- state

    def state_dict(self) -> dict[str, Tensor]:
        """Every parameter and buffer by path, as constants that later changes of the model do not touch."""
        named = [*self._named_state()]
        return {name: tensor.detach() for name, tensor in named}

    def _named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers by path, shared ones under each of their paths, module by module as in PyTorch."""
        for path, module in self.named_modules():
            for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                if tensor is not None:
                    yield (f"{path}.{name}" if path else name), tensor

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take parameters and buffers from ``state``; with ``strict`` its names are exactly this model's.

        Nothing is changed unless everything fits. Raises CheckpointError that lists what is missing, unexpected, or of
        another shape.
        """
        mine = dict(self._named_state())
        missing = [name for name in mine if name not in state]
        unexpected = [name for name in state if name not in mine]
        shapes = [
            f"{name}: {tuple(np.shape(_array(state[name])))} saved, {tensor.shape} here"
            for name, tensor in mine.items()
            if name in state and tuple(np.shape(_array(state[name]))) != tensor.shape
        ]
        if shapes or (strict and (missing or unexpected)):
            parts = [f"missing: {', '.join(missing)}"] * bool(missing and strict)
            parts += [f"unexpected: {', '.join(unexpected)}"] * bool(unexpected and strict)
            parts += [f"other shapes: {'; '.join(shapes)}"] * bool(shapes)
            raise CheckpointError(
                f"load_state_dict into {type(self).__name__}",
                "; ".join(parts),
                "the names and shapes of this model" if strict else "the shapes of this model",
                "build the model with the sizes it was saved with, or pass strict=False to take what fits by name",
            )
        for name, tensor in mine.items():
            if name in state:
                tensor.data = Tensor(_array(state[name]), tensor.dtype)

    # ---- mode and type

    def train(self, mode: bool = True) -> Self:
        """Switch to training: dropout drops, batch norm uses the batch's statistics."""
        tracer = local.mode.tracer
        for module in self.modules():
            if tracer is not None:
                tracer.guard_module(module)
            if module.training is not mode:
                Changes.count += 1
                object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Self:
        """Switch to evaluation: dropout passes, batch norm uses the running statistics."""
        return self.train(False)

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` on each module inside, then on this one: for initialisation by kind of layer."""
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, wanted: bool = True) -> Self:
        """Make every parameter learn, or freeze all of them."""
        for parameter in self.parameters():
            parameter.requires_grad = wanted
        return self

    def to(self, target: Any = "cpu", dtype: Any = None) -> Self:
        """Cast floats to a dtype: ``model.to(cr.float64)``. ``model.to("cpu")`` changes nothing."""
        name = str(getattr(target, "type", target))
        if dtype is None and name == "cpu":
            return self
        if name.startswith(("cuda", "mps")):
            raise ConfigError(f"model.to({target!r})", "a device", "cpu", 'write device = "cpu"')
        wanted = canonical_dtype(dtype if dtype is not None else target)
        for _, tensor in self._named_state():
            if is_float(tensor.dtype):
                tensor._set_leaf(tensor._value().astype(wanted), tensor.requires_grad)
                tensor._grad = None
        return self

    def double(self) -> Self:
        """Cast to float64."""
        return self.to(np.float64)

    def float(self) -> Self:
        """Cast to float32."""
        return self.to(np.float32)

    # ---- text

    def extra_repr(self) -> str:
        """The settings that the module prints with."""
        return ""

    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(m).replace("\n", "\n  ") for name, m in self._modules.items()]
        head = f"{type(self).__name__}({self.extra_repr()}"
        return head + ("\n" + "\n".join(lines) + "\n)" if lines else ")")


def _array(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def _shape_of(value: Any) -> str:
    if isinstance(value, (tuple, list)) and value:
        return ", ".join(map(_shape_of, value))
    return repr(value.aval) if isinstance(value, Tensor) else type(value).__name__


def _add_layer(error: ChainruleError, scope: Any) -> None:
    """Name the layer that the error came from, once: the innermost one."""
    if not any(line.lstrip().startswith("layer:") for line in error.context):
        error.context.append(f"  {'layer:':<9} {layer_path(scope)}")


def _explain(error: ChainruleError, scope: Any, args: tuple[Any, ...], calls: list[Any]) -> None:
    """Add what went in and what each layer had returned before the error."""
    error.context.append(f"  {'input:':<9} {_shape_of(args)} to {layer_path(scope)}")
    if calls:
        error.context.append("  shapes up to there:")
        rows = [
            (layer_path(s), *(v if isinstance(v, str) else _shape_of(v) for v in (before, after)))
            for s, before, after in calls
        ]
        width = max(len(path) for path, _, _ in rows)
        error.context += [f"    {path:<{width}}  {before} -> {after}" for path, before, after in rows]
