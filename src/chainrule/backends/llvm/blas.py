"""The BLAS that NumPy has already loaded: found, not bundled."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

__all__ = ["Blas", "find_blas"]

#: How libraries spell their symbols: NumPy's own OpenBLAS with 64-bit sizes, others with 64 bits, plain ones.
_SPELLINGS = (
    ("scipy_cblas_{}64_", "scipy_openblas_{}64_", "i64"),
    ("cblas_{}64_", "openblas_{}64_", "i64"),
    ("cblas_{}_64", "openblas_{}_64", "i64"),
    ("scipy_cblas_{}", "scipy_openblas_{}", "i32"),
    ("cblas_{}", "openblas_{}", "i32"),
)


@dataclass(frozen=True)
class Blas:
    """Addresses of the general matrix products, and the LLVM type of their sizes."""

    path: str
    sgemm: int
    dgemm: int
    integer: str
    #: The library's own number of threads, where it can be read and set.
    get_threads: Any = None
    set_threads: Any = None


@functools.cache
def find_blas() -> Blas | None:
    """NumPy's BLAS, or None if there is none that can be called."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    found = [entry for entry in ThreadpoolController().info() if entry.get("user_api") == "blas"]
    # NumPy's own first: another one may belong to a package that is going to be unloaded.
    for entry in sorted(found, key=lambda entry: "numpy" not in entry["filepath"]):
        library = ctypes.CDLL(entry["filepath"])
        for spelling, control, integer in _SPELLINGS:
            sgemm, dgemm = (getattr(library, spelling.format(name), None) for name in ("sgemm", "dgemm"))
            if sgemm is None or dgemm is None:
                continue
            getter, setter = (getattr(library, control.format(f"{verb}_num_threads"), None) for verb in ("get", "set"))
            single, double = (ctypes.cast(f, ctypes.c_void_p).value or 0 for f in (sgemm, dgemm))
            return Blas(entry["filepath"], single, double, integer, getter, setter)
    return None
