"""Architectures as JSON: which classes a model is made of, and with which arguments, without pickle or eval.

A module is described by its class and the arguments of its constructor, which ``Module.__new__`` noted; the
containers of ``chainrule.nn`` by what they hold now. What was done to a model after its constructor (a layer appended
or replaced, a setting changed) is found by building the model again and comparing, and is written down as a list of
changes.

Building calls classes of ``chainrule.nn`` and subclasses of Module that this process has defined, and nothing else.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule import nn, ops
from chainrule.core.errors import ChainruleError, CheckpointError
from chainrule.core.philox import Generator, default_generator
from chainrule.nn.containers import ModuleDict, ModuleList, Sequential
from chainrule.nn.module import Module
from chainrule.tensor import Tensor
from chainrule.train.plain import Packer, Unpacker

__all__ = ["Builder", "Describer", "find_changes", "unchanged_generator"]

_CONTAINERS: tuple[type[Module], ...] = (Sequential, ModuleList, ModuleDict)
_LIBRARY = "chainrule.nn"
_MISSING = object()


class Describer(Packer):
    """Writes modules down: ``{"class": "Linear", "of": "chainrule.nn", "arguments": {"in_features": 2, ...}}``."""

    def __init__(self) -> None:
        super().__init__()
        #: Modules already described, in order: one that is used twice is one module again after loading.
        self.seen: dict[int, int] = {}
        self.classes: list[type[Module]] = []

    def pack_other(self, value: Any, path: str) -> Any:
        """Modules, and the names of module classes and of chainrule's functions (``activation=nn.ReLU``)."""
        if isinstance(value, Module):
            return {"$module": self.describe(value, path)}
        if isinstance(value, type) and issubclass(value, Module):
            return {"$class": self._name(value)}
        if isinstance(value, Generator):
            return {"$generator": value.state()}
        name = getattr(value, "__name__", "")
        if name in ops.__all__ and getattr(ops, name) is value:
            return {"$function": name}
        return super().pack_other(value, path)

    def describe(self, module: Module, path: str) -> dict[str, Any]:
        """The class and arguments of one module, and of those among its arguments."""
        if id(module) in self.seen:
            return {"same": self.seen[id(module)]}
        self.seen[id(module)] = len(self.seen)
        description = self._name(type(module))
        prefix = f"{path}." if path else ""
        if type(module) in _CONTAINERS:
            held = {name: self.describe(child, f"{prefix}{name}") for name, child in module.named_children()}
            return description | {"modules": held}
        given, defaults = _arguments(module)
        arguments = {name: self.pack(value, f"{prefix}{name}") for name, value in given.items()}
        for name, value in defaults.items():
            # A default is written down so that a later version with another one still builds the same model.
            try:
                arguments[name] = self.pack(value, f"{prefix}{name}")
            except CheckpointError:
                continue
        return description | {"arguments": arguments}

    def _name(self, cls: type[Module]) -> dict[str, str]:
        self.classes.append(cls)
        known: bool = getattr(nn, cls.__name__, None) is cls
        return {"class": cls.__qualname__, "of": _LIBRARY if known else cls.__module__}


def _arguments(module: Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the constructor was given, by name, and the defaults of the rest."""
    args, kwargs = module._arguments  # type: ignore[attr-defined]
    bound = inspect.signature(type(module).__init__).bind_partial(module, *args, **kwargs)
    self_name = next(iter(bound.arguments))
    given = {name: value for name, value in bound.arguments.items() if name != self_name}
    bound.apply_defaults()
    defaults = {name: value for name, value in bound.arguments.items() if name not in given and name != self_name}
    return given, defaults


class Builder(Unpacker):
    """Builds modules from their descriptions."""

    def __init__(self, arrays: dict[str, Any], classes: Iterable[type[Module]] = ()) -> None:
        super().__init__(arrays)
        self.classes = list(classes)
        self.built: list[Module | None] = []

    def unpack_other(self, mark: str, content: Any) -> Any:
        if mark == "$module":
            return self.build(content)
        if mark == "$class":
            return self.find(content)
        if mark == "$function" and content in ops.__all__:
            return getattr(ops, content)
        if mark == "$generator":
            generator = Generator()
            generator.set_state(content)
            return generator
        return super().unpack_other(mark, content)

    def build(self, description: dict[str, Any]) -> Module:
        """The module that was described, with new weights."""
        if "same" in description:
            known = self.built[description["same"]]
            if known is None:
                raise KeyError("a module that holds itself")
            return known
        place = len(self.built)
        self.built.append(None)
        cls = self.find(description)
        if "modules" in description:
            if cls not in _CONTAINERS:
                raise KeyError(f"{cls.__name__} is no container")
            module = cls()
            for name, child in description["modules"].items():
                module.add_module(name, self.build(child))
        else:
            module = _construct(cls, {name: self.unpack(v) for name, v in description["arguments"].items()})
        self.built[place] = module
        return module

    def find(self, description: dict[str, Any]) -> type[Module]:
        """The class of that name: given, of ``chainrule.nn``, or defined in this process; never imported."""
        name, home = description["class"], description["of"]
        if home == _LIBRARY:
            found: list[Any] = [getattr(nn, name)] if name in nn.__all__ else []
        else:
            found = [cls for cls in self.classes if cls.__qualname__ == name]
            same_name = [cls for cls in _subclasses(Module) if cls.__qualname__ == name]
            # In a notebook a class is defined again and again: the last one counts. In a script its home is __main__.
            found = found or [cls for cls in same_name if cls.__module__ == home] or same_name
        classes: list[type[Module]] = [c for c in found if isinstance(c, type) and issubclass(c, Module)]
        if len({cls.__module__ for cls in classes}) > 1:
            raise CheckpointError(
                f"build the class {name!r}",
                f"classes of that name in {', '.join(sorted(c.__module__ for c in classes))}",
                "one",
                "say which: cr.load(path, classes=[...])",
            )
        if not classes:
            raise CheckpointError(
                f"build the class {name!r} of {home}",
                "a class that this program does not define",
                "a subclass of nn.Module",
                f"import or define {name} first, or pass cr.load(path, classes=[{name.rpartition('.')[2]}])",
            )
        return classes[-1]

    def change(self, root: Module, change: dict[str, Any]) -> None:
        """Do to a built model what was done to the original after its constructor."""
        module = root.get_submodule(change["path"])
        for name in change.get("removed", ()):
            if name not in module._modules:
                raise KeyError(f"no module {name}")
            delattr(module, name)
        for name, description in change.get("modules", {}).items():
            module.add_module(name, self.build(description))
        for name, value in change.get("attributes", {}).items():
            if not _is_setting(type(module), name):
                raise KeyError(f"attribute {name}")
            setattr(module, name, self.unpack(value))


def _construct(cls: type[Module], arguments: dict[str, Any]) -> Module:
    signature = inspect.signature(cls.__init__)
    self_name = next(iter(signature.parameters))
    unknown = [name for name in arguments if name not in signature.parameters]
    if unknown:
        raise CheckpointError(
            f"build {cls.__name__}",
            f"the argument {unknown[0]!r}",
            f"{cls.__name__}{signature}",
            "use the version of the class that the model was saved with",
        )
    bound = inspect.BoundArguments(signature, {self_name: None, **arguments})
    # In the signature's own order, which tells what goes by place.
    bound.arguments = {name: bound.arguments[name] for name in signature.parameters if name in bound.arguments}
    try:
        return cls(*bound.args[1:], **bound.kwargs)
    except Exception as problem:
        if isinstance(problem, ChainruleError):
            raise
        raise CheckpointError(
            f"build {cls.__name__}",
            f"{type(problem).__name__}: {problem}",
            "a constructor that takes its own arguments again",
            "use the version of the class that the model was saved with",
        ) from problem


def _subclasses(cls: type[Module]) -> list[type[Module]]:
    found: dict[type[Module], None] = {}
    stack = [cls]
    while stack:
        for child in stack.pop().__subclasses__():
            if child not in found:
                found[child] = None
                stack.append(child)
    return list(found)


def find_changes(original: Module, rebuilt: Module, describer: Describer, builder: Builder) -> list[dict[str, Any]]:
    """What was done to ``original`` after its constructor; on the way ``rebuilt`` becomes the same."""
    changes: list[dict[str, Any]] = []
    visited: set[int] = set()
    stack = [("", original)]
    while stack:
        path, module = stack.pop()
        if id(module) in visited:
            continue
        visited.add(id(module))
        change = _own_changes(module, rebuilt.get_submodule(path), path, describer)
        if change:
            changes.append({"path": path, **change})
            builder.change(rebuilt, changes[-1])
        children = [(f"{path}.{name}" if path else name, child) for name, child in module.named_children()]
        stack.extend(reversed(children))
    return changes


def _own_changes(module: Module, twin: Module, path: str, describer: Describer) -> dict[str, Any]:
    prefix = f"{path}." if path else ""
    children, twins = dict(module.named_children()), dict(twin.named_children())
    removed = [name for name in twins if name not in children]
    modules = {
        name: describer.describe(child, f"{prefix}{name}")
        for name, child in children.items()
        if name not in twins or not _alike(child, twins[name])
    }
    attributes = {
        name: describer.pack(value, f"{prefix}{name}")
        for name, value in _settings(module).items()
        if not _equal(value, vars(twin).get(name, _MISSING))
    }
    change = {"removed": removed, "modules": modules, "attributes": attributes}
    return {kind: content for kind, content in change.items() if content}


def _alike(module: Module, twin: Module) -> bool:
    """Whether two modules have one class and weights of the same shapes, so that only settings can differ."""
    return type(module) is type(twin) and _own_shapes(module) == _own_shapes(twin)


def _own_shapes(module: Module) -> dict[str, Any]:
    tensors = {**module._parameters, **module._buffers}
    return {name: None if tensor is None else tensor.shape for name, tensor in tensors.items()}


def _settings(module: Module) -> dict[str, Any]:
    """Attributes that are plain values; parameters, buffers and submodules have homes of their own."""
    homes = {*module._parameters, *module._buffers, *module._modules, "training"}
    own = {name: value for name, value in vars(module).items() if name not in homes and _is_setting(type(module), name)}
    return {name: value for name, value in own.items() if _is_plain(value)}


def _is_setting(cls: type, name: str) -> bool:
    """Whether an instance may have an attribute of that name: not one that would hide a method."""
    inherited = inspect.getattr_static(cls, name, None)
    return (
        name.isidentifier()
        and not name.startswith("_")
        and not (callable(inherited) or isinstance(inherited, property))
    )


def _is_plain(value: Any) -> bool:
    try:
        Packer().pack(value, "value")
    except CheckpointError:
        return False
    return True


def _equal(value: Any, other: Any) -> bool:
    if isinstance(value, (Tensor, np.ndarray)):
        return type(value) is type(other) and np.array_equal(np.asarray(value), np.asarray(other), equal_nan=True)
    if isinstance(value, (list, tuple)):
        return type(value) is type(other) and len(value) == len(other) and all(map(_equal, value, other))
    if isinstance(value, dict):
        return (
            isinstance(other, dict) and value.keys() == other.keys() and all(_equal(value[k], other[k]) for k in value)
        )
    return type(value) is type(other) and (value == other or value != value)


@contextmanager
def unchanged_generator() -> Iterator[None]:
    """Building a model draws new weights, which must not move the random numbers of the program around it."""
    state = default_generator().state()
    try:
        yield
    finally:
        default_generator().set_state(state)
