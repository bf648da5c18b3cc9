"""The NumPy back end: it runs the very text that ``step.source()`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.backends.numpy.source import listing
from chainrule.compiler.executable import Executable, Interpreter
from chainrule.compiler.program import Program

__all__ = ["NumpyExecutable"]

Array = np.ndarray[Any, Any]


class NumpyExecutable(Executable):
    """A program that NumPy runs, from its listing.

    >>> import chainrule as cr
    >>> f = cr.compile(lambda x: (x * x).sum(), backend="numpy")
    >>> NumpyExecutable(f.graph(cr.ones(3)))([np.array([1.0, 2.0, 3.0], np.float32)])
    [array(14., dtype=float32)]
    """

    backend = "numpy"

    def __init__(self, program: Program, name: str = "step") -> None:
        super().__init__(program)
        self.listing = listing(program, name)
        module: dict[str, Any] = {"__name__": f"<listing of {name}>"}
        exec(compile(self.listing.text, f"<listing of {name}>", "exec"), module)
        self._function = module[self.listing.function]
        self._settings = {i for i, n in enumerate(program.inputs) if program.kinds.get(n) == "setting"}

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """One step.

        Raises:
            ShapeError: an index out of range, as the op itself raises it.
        """
        given = [float(arrays[i]) if i in self._settings else arrays[i] for i in self.listing.arguments]
        try:
            with np.errstate(all="ignore"):
                values = self._function(*given)
        except IndexError:
            Interpreter(self.program)(arrays)  # fails at the same place, and says it in the user's terms
            raise
        if len(self.listing.returned) < 2:
            values = (values,)[: len(self.listing.returned)]
        outputs: list[Any] = [None] * len(values)
        owned = {id(a) for a in arrays}
        for place, value in zip(self.listing.returned, values, strict=True):
            array = np.asarray(value)
            outputs[place] = array.copy() if array.base is not None or id(array) in owned else array
        return outputs
