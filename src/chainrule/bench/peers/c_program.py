"""C by hand, compiled for this machine: what the two smallest networks can reach at most.

A shared library, called once for a whole training: the call costs as much as a few steps.
"""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from chainrule.bench.case import Arrays, Case, System

Array = np.ndarray[Any, Any]

#: Compiled with -ffast-math, but linked without: gcc's linker would add code that switches subnormal numbers off in the
#: whole process that loads the library.
COMPILE = ("gcc", "-O3", "-march=native", "-ffast-math", "-fPIC", "-c")
LINK = ("gcc", "-shared")


def build(case: Case, arrays: Arrays) -> System:
    """xor.c or iris.c."""
    return Program(case, arrays)


class Program:
    """A compiled training and the weights that it changes."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        self.case, self.initial = case, np.concatenate([w.ravel() for w in arrays.weights])
        source = Path(__file__).with_name("xor.c" if case.output == "sigmoid" else "iris.c")
        library = Path(case.folder) / f"{source.stem}.so"
        compiled = library.with_suffix(".o")
        subprocess.run([*COMPILE, str(source), "-o", str(compiled)], check=True)
        subprocess.run([*LINK, str(compiled), "-o", str(library), "-lm"], check=True)
        self.function = ctypes.CDLL(str(library)).train
        floats = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
        self.function.argtypes = [floats, floats, floats, ctypes.c_float, ctypes.c_int, floats]
        self.function.restype = None
        self.x = arrays.x
        self.t = arrays.y if case.loss == "mse" else np.eye(case.sizes[-1], dtype=np.float32)[arrays.y]
        self.losses = np.empty(case.steps, np.float32)

    def reset(self) -> None:
        """Back to the initial weights."""
        self.w = self.initial.copy()

    def train(self) -> None:
        """All steps in one call."""
        self.function(self.x, self.t, self.w, self.case.lr, self.case.steps, self.losses)

    def predict(self, x: Array) -> Array:
        """The outputs, by NumPy."""
        at = 0
        for inputs, outputs in zip(self.case.sizes[:-1], self.case.sizes[1:], strict=True):
            weight = self.w[at : at + inputs * outputs].reshape(outputs, inputs)
            at += weight.size
            x = x @ weight.T + self.w[at : at + outputs]
            at += outputs
            x = 1 / (1 + np.exp(-x)) if self.case.output == "sigmoid" else x
        return x
