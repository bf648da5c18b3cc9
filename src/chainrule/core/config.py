"""Settings of the whole library: which back end runs compiled programs, on how many threads, and where kernels are kept."""

from __future__ import annotations

import os
from pathlib import Path

from chainrule.core.errors import ConfigError

__all__ = ["BACKENDS", "Config", "config", "get_num_threads", "set_num_threads"]

BACKENDS = ("auto", "llvm", "numpy", "eager")


class Config:
    """The settings, as attributes of ``cr.config``; each starts from an environment variable.

    - ``backend`` (``CHAINRULE_BACKEND``): ``llvm`` (native code), ``numpy`` (the program that ``step.source()`` shows),
      ``eager`` (compile nothing), or ``auto``: LLVM where it can, else NumPy
    - ``threads`` (``CHAINRULE_THREADS``): most threads that a compiled program uses, and that compile it; all cores by
      default
    - ``cache_dir`` (``CHAINRULE_CACHE_DIR``): folder for compiled kernels; by default one in the user's cache folder, an
      empty text keeps nothing on disk

    >>> Config().backend in BACKENDS
    True
    """

    def __init__(self) -> None:
        self._backend: str | None = None
        self._threads: int | None = None
        #: The folder that was set, in a list of one; empty while the environment decides.
        self._cache_dir: list[Path | None] = []

    @property
    def backend(self) -> str:
        """Who runs compiled programs: ``auto``, ``llvm``, ``numpy`` or ``eager``."""
        if self._backend is None:
            chosen = os.environ.get("CHAINRULE_BACKEND", "auto").lower()
            self._backend = _checked_backend("CHAINRULE_BACKEND", chosen)
        return self._backend

    @backend.setter
    def backend(self, name: str) -> None:
        self._backend = _checked_backend("cr.config.backend", name)

    @property
    def threads(self) -> int:
        """Most threads that a compiled program uses."""
        if self._threads is None:
            self._threads = _checked_threads("CHAINRULE_THREADS", os.environ.get("CHAINRULE_THREADS") or _cores())
        return self._threads

    @threads.setter
    def threads(self, count: int) -> None:
        self._threads = _checked_threads("cr.config.threads", count)

    @property
    def cache_dir(self) -> Path | None:
        """Where compiled kernels are kept; None keeps none."""
        return self._cache_dir[0] if self._cache_dir else _default_cache_dir()

    @cache_dir.setter
    def cache_dir(self, folder: str | Path | None) -> None:
        self._cache_dir = [Path(folder).expanduser() if folder else None]


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _default_cache_dir() -> Path | None:
    chosen = os.environ.get("CHAINRULE_CACHE_DIR")
    if chosen is not None:
        return Path(chosen).expanduser() if chosen else None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "chainrule" / "kernels"


def _checked_backend(asked: str, name: str) -> str:
    if name not in BACKENDS:
        raise ConfigError(asked, repr(name), " or ".join(BACKENDS), "choose 'auto'")
    return name


def _checked_threads(asked: str, count: object) -> int:
    try:
        number = int(count)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        number = 0
    if number < 1 or isinstance(count, (bool, float)):
        raise ConfigError(asked, repr(count), "a whole number, 1 or more", "choose the number of cores")
    return int(number)


#: The settings in force.
config = Config()


def set_num_threads(count: int) -> None:
    """Let compiled programs use up to ``count`` threads; any number gives the same bits.

    >>> set_num_threads(1); get_num_threads()
    1
    """
    config.threads = count


def get_num_threads() -> int:
    """Most threads that a compiled program uses."""
    return config.threads
