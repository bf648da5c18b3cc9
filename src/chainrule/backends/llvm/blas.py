"""The BLAS that NumPy has already loaded: found, not bundled."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

__all__ = ["Blas", "find_blas", "product_call"]

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


def product_call(
    function: str, integer: str, kind: str, transposes: tuple[bool, bool], sizes: tuple[Any, Any, Any], alpha: str,
    a: tuple[str, Any], b: tuple[str, Any], beta: str, out: tuple[str, Any],
) -> str:  # fmt: skip
    """LLVM's line for ``out = alpha * a @ b + beta * out``, row by row.

    Args:
        integer, kind: the types of sizes and numbers. sizes: rows, columns, inner. a, b, out: pointer and length of a row.
    """
    numbers = [f"{integer} {size}" for size in sizes]
    factors = [f"ptr {a[0]}, {integer} {a[1]}", f"ptr {b[0]}, {integer} {b[1]}"]
    flags = [f"i32 {112 if transposed else 111}" for transposed in transposes]
    result = f"{kind} {beta}, ptr {out[0]}, {integer} {out[1]}"
    return f"call void {function}({', '.join(['i32 101', *flags, *numbers, f'{kind} {alpha}', *factors, result])})"
