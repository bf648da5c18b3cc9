"""Numbers that are not there: while a function is traced, and after its trace."""

from __future__ import annotations

from typing import Any

from numpy.lib.mixins import NDArrayOperatorsMixin

from chainrule.core import source
from chainrule.core.aval import Aval
from chainrule.core.errors import GradientError, GraphError

__all__ = ["Gone", "traced_value_error"]


def traced_value_error(aval: Aval) -> GradientError:
    """What to say when a number is wanted while a function is traced, with the line that wants it."""
    where = source.caller(2)
    text = source.line_text(where)
    error = GradientError(
        "the numbers of a tensor while a function is traced",
        f"{aval!r}, whose numbers are known only when the compiled program runs",
        "tensors all the way: no if, while, float(), .item() or .numpy() that depends on them",
        "choose between values with cr.where(condition, a, b), or pass the number in as a Python number (static: "
        "traced again for each value)",
    )
    error.context.append(f"  {'at:':<9} {source.describe(where)}" + (f"  {text}" if text else ""))
    return error


class Gone(NDArrayOperatorsMixin):
    """Stands where the numbers of a traced tensor would be once its trace is over: any use of it raises."""

    def __init__(self, aval: Aval, made_by: str, where: source.Location | None) -> None:
        self._what = f"{aval!r}" + (f" made by {made_by} at {source.describe(where)}" if where is not None else "")

    def error(self) -> GraphError:
        """What is wrong, and where the tensor comes from."""
        return GraphError(
            "a tensor of a compiled function, used after its trace",
            f"{self._what}: it never had numbers, the compiled program has",
            "tensors that the function returned",
            "return it from the function, by itself or in a tuple, list or dict",
        )

    def __repr__(self) -> str:
        return f"<gone: {self._what}>"

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise self.error()

    __array__ = __array_ufunc__ = __array_function__ = _refuse
    __getitem__ = __iter__ = __len__ = __bool__ = __float__ = __int__ = __index__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and not name.startswith("__array"):
            raise AttributeError(name)
        raise self.error()
