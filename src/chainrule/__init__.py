"""chainrule: a neural-network library that shows its work.

>>> import chainrule as cr
>>> x = cr.tensor([1.0, 2.0], requires_grad=True)
>>> loss = (x * x).sum()
>>> loss.backward()
>>> x.grad
tensor([2., 4.])
"""

import importlib as _importlib
import warnings as _warnings
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

import chainrule.methods  # noqa: F401  first: tensors and ops are built on each other, and this is where the knot opens

# isort: split
from chainrule import ops
from chainrule.autodiff import check_grads, grad, grad_of, hvp, jacobian, value_and_grad, watch_nan
from chainrule.core.aval import Aval, bool_, float32, float64, int32, int64, uint8
from chainrule.core.aval import bool_ as bool
from chainrule.core.config import config, get_num_threads, set_num_threads
from chainrule.core.errors import (
    ChainruleError,
    CheckpointError,
    ConfigError,
    DataError,
    DTypeError,
    GradientError,
    GraphError,
    NonFiniteError,
    ShapeError,
)
from chainrule.core.graph import Graph, Node
from chainrule.core.modes import enable_grad, get_default_dtype, is_grad_enabled, no_grad, set_default_dtype
from chainrule.core.philox import Generator, manual_seed
from chainrule.ops import *  # noqa: F403  (its __all__ is part of this one)
from chainrule.tensor import Parameter, Tensor, tensor

__version__ = "0.1.0"

__all__ = [
    *ops.__all__,
    "Aval",
    "ChainruleError",
    "CheckpointError",
    "ConfigError",
    "DTypeError",
    "DataError",
    "Generator",
    "GradientError",
    "Graph",
    "GraphError",
    "Node",
    "NonFiniteError",
    "Parameter",
    "Predictor",
    "ShapeError",
    "Tensor",
    "Trainer",
    "bool",
    "bool_",
    "check_grads",
    "compile",
    "config",
    "data",
    "enable_grad",
    "float32",
    "float64",
    "get_default_dtype",
    "get_num_threads",
    "grad",
    "grad_of",
    "hvp",
    "int32",
    "int64",
    "is_grad_enabled",
    "jacobian",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "save",
    "set_default_dtype",
    "set_num_threads",
    "show",
    "summary",
    "tensor",
    "train",
    "uint8",
    "value_and_grad",
    "watch_nan",
]

# Overflow to infinity and 0/0 are answers here, as in PyTorch and JAX, and watch_nan finds where they come from;
# switching NumPy's warnings off around every op would cost more than most small ops do.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"chainrule\.")

#: Rooms that load when first used, and names that live in them: importing chainrule costs little more than NumPy.
_ROOMS = ("data", "nn", "optim", "show", "train")
_LAZY = {
    "Trainer": "train",
    "Predictor": "compiler",
    "compile": "compiler",
    "load": "train",
    "save": "train",
    "summary": "nn",
}

if _TYPE_CHECKING:
    from chainrule import data, nn, optim, show, train
    from chainrule.compiler import Predictor, compile
    from chainrule.nn import summary
    from chainrule.train import Trainer, load, save


def __getattr__(name: str) -> _Any:
    if name in _ROOMS:
        return _importlib.import_module(f"chainrule.{name}")
    if name in _LAZY:
        return getattr(_importlib.import_module(f"chainrule.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
