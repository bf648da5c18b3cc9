# ruff: noqa: F401
"""Functions of tensors, one file a family: thin wrappers that build an op and call ``apply``."""

from chainrule.ops.activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    maxout,
    relu,
    selu,
    silu,
    softmax,
    step,
)
from chainrule.ops.arithmetic import (
    ADD,
    DIVIDE,
    MULTIPLY,
    SUBTRACT,
    absolute,
    add,
    clip,
    divide,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    sign,
    subtract,
)
from chainrule.ops.compare import (
    equal,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    where,
)
from chainrule.ops.convert import cast, stop_gradient
from chainrule.ops.create import arange, eye, from_numpy, full, linspace, ones, ones_like, zeros, zeros_like
from chainrule.ops.exponential import (
    cos,
    erf,
    exp,
    expm1,
    log,
    log1p,
    rsqrt,
    sigmoid,
    sin,
    softplus,
    sqrt,
    square,
    tanh,
)
from chainrule.ops.index import index, one_hot, take
from chainrule.ops.linalg import affine, dot, einsum, matmul, outer
from chainrule.ops.random import bernoulli, normal, permutation, rand, randint, randn, uniform
from chainrule.ops.reduce import (
    all,
    any,
    argmax,
    argmin,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    sum_to,
    var,
)
from chainrule.ops.shape import (
    broadcast_to,
    concatenate,
    expand,
    expand_dims,
    flatten,
    flip,
    pad,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    transpose,
    transpose_method,
)

#: Functions of one tensor that can be called as methods too.
UNARY_METHODS = frozenset({
    "absolute", "broadcast_to", "clip", "cos", "elu", "erf", "exp", "expm1", "flip", "gelu", "isfinite", "isnan",
    "leaky_relu", "log", "log1p", "matmul", "negative", "power", "relu", "rsqrt", "selu", "sigmoid", "sign", "silu",
    "sin", "softplus", "split", "sqrt", "square", "swapaxes", "take", "tanh",
})

__all__ = [
    "absolute", "add", "all", "any", "arange", "argmax", "argmin", "bernoulli", "broadcast_to", "cast", "clip",
    "concatenate", "cos", "cumsum", "divide", "dot", "einsum", "elu", "equal", "erf", "exp", "expand", "expand_dims",
    "expm1", "eye", "flatten", "flip", "from_numpy", "full", "gelu", "greater", "greater_equal", "index", "isfinite",
    "isnan", "leaky_relu", "less", "less_equal", "linspace", "log", "log1p", "log_softmax", "logical_and",
    "logical_not", "logical_or", "logical_xor", "logsumexp", "matmul", "max", "maximum", "maxout", "mean", "min",
    "minimum", "multiply", "negative", "normal", "not_equal", "one_hot", "ones", "ones_like", "outer", "pad",
    "permutation", "power", "prod", "rand", "randint", "randn", "relu", "reshape", "rsqrt", "selu", "sigmoid", "sign",
    "silu", "sin", "softmax", "softplus", "split", "sqrt", "square", "squeeze", "stack", "std", "step",
    "stop_gradient", "subtract", "sum", "sum_to", "swapaxes", "take", "tanh", "transpose", "uniform", "var", "where",
    "zeros", "zeros_like",
]
