"""The threads that run a program together, and the BLAS kept to one thread meanwhile."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from chainrule.backends.llvm.blas import Blas

__all__ = ["give_way", "one_blas_thread", "together"]

_lock = threading.Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
_yield: list[Any] = []


def give_way() -> int:
    """The address of a function that lets another thread run: the system's, or one that does nothing."""
    if not _yield:
        try:
            function: Any = ctypes.CDLL(None).sched_yield
        except (AttributeError, OSError, TypeError):
            function = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)
        _yield.append(function)
    return ctypes.cast(_yield[0], ctypes.c_void_p).value or 0


def together(function: Callable[..., None], table: int, steps: int, threads: int) -> None:
    """Call ``function(table, steps, thread, threads)`` in each of ``threads`` threads; return when all are done."""
    if threads == 1:
        function(table, steps, 0, 1)
        return
    # One program at a time has the threads: two that wait for each other's places would never end.
    with _lock:
        pool = _pools.get((os.getpid(), threads))
        if pool is None:
            pool = ThreadPoolExecutor(threads - 1, thread_name_prefix="chainrule")
            _pools[os.getpid(), threads] = pool
        others: list[Future[None]] = [pool.submit(function, table, steps, i, threads) for i in range(1, threads)]
        function(table, steps, 0, threads)
        for other in others:
            other.result()


@contextmanager
def one_blas_thread(blas: Blas | None) -> Iterator[None]:
    """Keep the BLAS to the calling thread: its own threads would get in the way of ours, and change the bits."""
    if blas is None or blas.set_threads is None:
        yield
        return
    before = blas.get_threads()
    if before == 1:
        yield
        return
    blas.set_threads(1)
    try:
        yield
    finally:
        blas.set_threads(before)
