"""The threads that run a program together, and the BLAS kept to one thread meanwhile."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from chainrule.backends.llvm.blas import Blas

__all__ = ["Team", "give_way", "one_blas_thread", "together"]

Array = np.ndarray[Any, Any]

#: A trial is at most so small a part of the steps, and takes so many seconds at most; seconds until the next one, and until it
#: is seen whether one is due.
_PART, _TRIAL, _AGAIN, _LOOK = 16, 0.01, 0.5, 0.25
#: Steps before anything is known.
_FEW = 16


_lock = threading.Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
_yield: list[Any] = []
#: The core that a thread of ours is kept on.
_here = threading.local()


def give_way() -> int:
    """The address of a function that lets another thread run: the system's, or one that does nothing."""
    if not _yield:
        try:
            function: Any = ctypes.CDLL(None).sched_yield
        except (AttributeError, OSError, TypeError):
            function = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)
        _yield.append(function)
    return ctypes.cast(_yield[0], ctypes.c_void_p).value or 0


class Team:
    """Runs one program in as many threads as pay: it tries one and all now and then, since others want the cores, too.

    Any number of threads gives the same bits.
    """

    def __init__(self, function: Callable[[int, int, int, int], None], table: Array, first: int) -> None:
        self._function, self._table, self._first = function, table, first
        self._pointer = table.ctypes.data
        #: Seconds a step by number of threads, and when that is to be measured again.
        self._pace: dict[int, float] = {}
        self._due: dict[int, float] = {}
        #: Numbers of threads that are to be tried next, and whether what was measured before is forgotten.
        self._trials: list[tuple[int, bool]] = []

    def run(self, steps: int, threads: int) -> None:
        """Do so many steps; in at most so many threads."""
        self._table[self._first] = 0
        if threads == 1:
            self._function(self._pointer, steps, 0, 1)
            return
        if threads not in self._pace:
            # The first steps say little: nothing is in the caches, and the system may have both threads on one core.
            self._trials = [(threads, True), (threads, True), (1, True), (threads, False)]
            self._pace, self._due = {}, {}
        done = 0
        while done < steps:
            now = time.perf_counter()
            for number in (threads, 1):
                if not self._trials and now >= self._due[number]:
                    self._trials = [(number, True), (number, False)]
            if self._trials:
                number, anew = self._trials.pop(0)
                count = int(_TRIAL / self._pace[number]) if number in self._pace else _FEW
                end = min(done + max(1, min(count, steps // _PART)), steps)
                pace = self._timed(done, end, number)
                self._pace[number] = pace if anew else min(pace, self._pace[number])
            else:
                number = min((threads, 1), key=self._pace.__getitem__)
                count = max(1, int(_LOOK / self._pace[number]))
                end = min(done + count, steps)
                pace = self._timed(done, end, number)
                if 2 * (end - done) >= count:  # a few steps say little
                    self._pace[number] = pace
            done = end

    def _timed(self, start: int, end: int, threads: int) -> float:
        """Do the steps; the seconds that one took."""
        before = time.perf_counter()
        self._table[self._first] = start
        together(self._function, self._pointer, end, threads)
        now = time.perf_counter()
        # What is slow is tried rarely.
        self._due[threads] = now + max(_AGAIN, 20 * (now - before))
        return (now - before) / (end - start)


def together(function: Callable[..., None], table: int, end: int, threads: int) -> None:
    """Call ``function(table, end, thread, threads)`` in each of ``threads`` threads; return when all are done."""
    if threads == 1:
        function(table, end, 0, 1)
        return
    # One program at a time has the threads: two that wait for each other's places would never end.
    with _lock:
        pool = _pools.get((os.getpid(), threads))
        if pool is None:
            pool = ThreadPoolExecutor(threads - 1, thread_name_prefix="chainrule")
            _pools[os.getpid(), threads] = pool
        cores = _cores()
        others: list[Future[None]] = [
            pool.submit(_on_core, cores[i % len(cores)] if cores else None, function, table, end, i, threads)
            for i in range(1, threads)
        ]
        with _kept_on(cores[0] if cores else None):
            function(table, end, 0, threads)
        for other in others:
            other.result()


def _cores() -> list[int]:
    """The cores of this process, that of the calling thread first; none where the system does not say.

    Linux may keep two threads that spin for each other on one core for seconds, while another one has nothing to do.
    """
    try:
        here: int = ctypes.CDLL(None).sched_getcpu()
        cores = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError, TypeError):
        return []
    return sorted(cores, key=lambda core: (core < here, core)) if here in cores else cores


@contextlib.contextmanager
def _kept_on(core: int | None) -> Iterator[None]:
    """Keep the calling thread on its core, lest the system move it to that of another one."""
    if core is None:
        yield
        return
    allowed = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, allowed)


def _on_core(core: int | None, function: Callable[..., None], *arguments: int) -> None:
    if core is not None and getattr(_here, "core", None) != core:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})
            _here.core = core
    function(*arguments)


@contextlib.contextmanager
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
