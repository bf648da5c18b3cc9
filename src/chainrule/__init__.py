"""chainrule: a neural-network library that shows its work.

>>> import chainrule as cr
>>> x = cr.tensor([1.0, 2.0], requires_grad=True)
>>> loss = (x * x).sum()
>>> loss.backward()
>>> x.grad
tensor([2., 4.])
"""

import warnings as _warnings

from chainrule.core.aval import Aval, bool_, float32, float64, int32, int64, uint8
from chainrule.core.aval import bool_ as bool
from chainrule.core.errors import (
    ChainruleError, CheckpointError, ConfigError, DataError, DTypeError, GradientError, GraphError, NonFiniteError,
    ShapeError,
)
from chainrule.core.graph import Graph, Node
from chainrule.core.modes import enable_grad, get_default_dtype, is_grad_enabled, no_grad, set_default_dtype
from chainrule.core.philox import Generator, manual_seed
from chainrule.tensor import Parameter, Tensor, tensor
from chainrule.ops import *
from chainrule.autodiff import check_grads, grad, grad_of, hvp, jacobian, value_and_grad, watch_nan

__version__ = "0.1.0"

# Overflow to infinity and 0/0 are answers here, as in PyTorch and JAX, and watch_nan finds where they come from;
# switching NumPy's warnings off around every op would cost more than most small ops do.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"chainrule\.")
