"""Modules that hold other modules: in a row, in a list, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from chainrule.core.errors import ConfigError
from chainrule.nn.module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


def _add(container: Module, name: str, module: Any) -> None:
    """Keep ``module`` under ``name``, refusing names that could not be part of a path."""
    asked = f"{type(container).__name__}: a module named {name!r}"
    if not isinstance(name, str) or not name or "." in name:
        raise ConfigError(asked, f"{name!r}", "a text without dots", "choose another name")
    if name not in container._modules and hasattr(container, name):
        raise ConfigError(asked, "the name of one of its methods", "a name that is free", f"call it {name + '_'!r}")
    container.add_module(name, module)


def _refill(container: Module, modules: Mapping[str, Module]) -> None:
    """Hold ``modules`` and nothing else, in their order."""
    for name in list(container._modules):
        delattr(container, name)
    for name, module in modules.items():
        _add(container, name, module)


class _Numbered(Module):
    """A container whose modules have places: what ``Sequential`` and ``ModuleList`` share."""

    _modules: dict[str, Module]  # type: ignore[assignment]

    def _name_at(self, index: int) -> str:
        count = len(self._modules)
        if not -count <= index < count:
            raise IndexError(f"{type(self).__name__}[{index}]: it holds {count} modules")
        return list(self._modules)[index]

    def _renumber(self, names: Iterable[str], modules: Iterable[Module]) -> None:
        """Hold ``modules``; places that were numbers count from 0 again, given names stay."""
        kept = [str(i) if name.isdecimal() else name for i, name in enumerate(names)]
        _refill(self, dict(zip(kept, modules, strict=True)))

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module | Self:
        if not isinstance(index, slice):
            return self._modules[self._name_at(index)]
        part = type(self).__new__(type(self))
        Module.__init__(part)
        _refill(part, dict(list(self._modules.items())[index]))
        return part

    def __setitem__(self, index: int, module: Module) -> None:
        _add(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names, modules = list(self._modules), list(self._modules.values())
        del names[index], modules[index]
        self._renumber(names, modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __contains__(self, module: object) -> bool:
        return any(module is held for held in self._modules.values())

    def append(self, module: Module) -> Self:
        """Add a module at the end, under the next number."""
        _add(self, str(len(self._modules)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at ``index``; those behind it move on by one."""
        names, modules = list(self._modules), list(self._modules.values())
        names.insert(index, "0")
        modules.insert(index, module)
        self._renumber(names, modules)
        return self


class Sequential(_Numbered):
    """Modules applied one after the other: the output of each is the input of the next.

    The modules come as arguments (their paths are ``0``, ``1``, ...), as one dictionary, or by keyword with names of
    their own. They can be indexed, sliced (which shares their parameters), iterated over, appended and deleted.

    Input: what the first module takes; output: what the last one returns. Without modules, the input itself.

    >>> from chainrule import nn
    >>> model = Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    >>> model[0], len(model), [name for name, _ in model[:1].named_parameters()]
    (Linear(in_features=2, out_features=3, bias=True), 3, ['0.weight', '0.bias'])
    >>> Sequential({"hidden": nn.Linear(2, 3), "active": nn.Sigmoid()}).hidden.out_features
    3

    Raises:
        ConfigError: something that is not a module object, or a name that cannot be part of a path.
    """

    def __init__(self, *modules: Module | Mapping[str, Module], **named: Module) -> None:
        super().__init__()
        first = modules[0] if len(modules) == 1 else None
        if isinstance(first, Mapping):
            modules, named = (), {**first, **named}
        for module in modules:
            self.append(module)  # type: ignore[arg-type]
        for name, child in named.items():
            _add(self, name, child)

    def forward(self, x: Any) -> Any:
        """Each module in turn."""
        for module in self._modules.values():
            x = module(x)
        return x


class ModuleList(_Numbered):
    """Modules in a list, for a forward that decides itself how to call them. Their paths are ``0``, ``1``, ...

    >>> from chainrule import nn
    >>> layers = ModuleList(nn.Linear(n, n + 1) for n in (2, 3))
    >>> [tuple(layer.weight.shape) for layer in layers], len(layers.append(nn.ReLU()))
    ([(3, 2), (4, 3)], 3)

    Raises:
        ConfigError: something that is not a module object.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)


class ModuleDict(Module):
    """Modules by name, for a forward that chooses among them.

    >>> from chainrule import nn
    >>> choices = ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
    >>> list(choices), choices["tanh"], "sigmoid" in choices
    (['relu', 'tanh'], Tanh(), False)

    Raises:
        ConfigError: something that is not a module object, or a name that cannot be part of a path.
    """

    _modules: dict[str, Module]  # type: ignore[assignment]

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__()
        self.update(modules)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add the modules of a dictionary, or of pairs (name, module)."""
        for name, module in dict(modules).items():
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        _add(self, name, module)

    def __delitem__(self, name: str) -> None:
        if name not in self._modules:
            raise KeyError(name)
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> Iterable[str]:
        """The names, in the order they were added."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Pairs (name, module)."""
        return self._modules.items()
