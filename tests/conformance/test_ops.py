"""Every registered op, on its own samples: being registered is enough to be tested here."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import numpy as np
import pytest
from checker import cast_sample, check_op, check_promotion, samples

import chainrule as cr
from chainrule import ops
from chainrule.core.apply import apply
from chainrule.core.aval import DTYPES, Aval
from chainrule.core.errors import DTypeError
from chainrule.core.graph import Graph, Node
from chainrule.core.modes import local
from chainrule.core.op import REGISTRY, Elementwise, Op

NAMES = sorted(REGISTRY)
DIFFERENTIABLE = [name for name in NAMES if REGISTRY[name].differentiable]
BROADCASTING = [n for n in NAMES if issubclass(REGISTRY[n], Elementwise) and len(REGISTRY[n].domain) > 1] + ["where"]

#: Ops with a float output through which no gradient passes: the whole list.
WITHOUT_GRADIENT = {"normal", "sign", "stop_gradient", "uniform"}
#: Ops whose public function has another name.
PUBLIC = {"index_add": "index"}
#: What an op makes of each dtype where that is not the dtype itself; a dash is a refusal.
FLOATED = {"bool": "float32", "uint8": "float32", "int32": "float32", "int64": "float32"}
COUNTED = {"bool": "int64", "uint8": "int64", "int32": "int64"}
REFUSED = {"bool": "-"}
DTYPE_RULES = {
    **dict.fromkeys(
        [
            *("cos", "divide", "erf", "exp", "expm1", "log", "log1p", "log_softmax", "logsumexp"),
            *("mean", "rsqrt", "sigmoid", "sin", "softplus", "sqrt", "tanh"),
        ],
        FLOATED,
    ),
    **dict.fromkeys(["cumsum", "prod", "sum"], COUNTED),
    **dict.fromkeys(["negative", "power", "sign", "square", "subtract"], REFUSED),
}


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    """Shape and dtype rule, purity, derivatives of first and second order, arrays like tensors."""
    for sample in samples(REGISTRY[name]):
        check_op(sample.op, sample.inputs)


@pytest.mark.parametrize("dtype", [str(d) for d in DTYPES])
@pytest.mark.parametrize("name", NAMES)
def test_dtypes(name: str, dtype: str) -> None:
    """On each dtype: the result has the dtype that the table says, or the op refuses it by a DTypeError."""
    first = samples(REGISTRY[name])[0].inputs
    for sample in samples(REGISTRY[name]):
        inputs = cast_sample(sample.inputs, dtype)
        aval = check_promotion(sample.op, inputs)
        expected = DTYPE_RULES.get(name, {}).get(dtype, dtype)
        if all(x.dtype.kind != "f" for x in first) or name in ("cast", "argmax", "argmin"):
            assert aval is not None and aval.dtype == sample.op.infer(*map(Aval.like, inputs)).dtype
        elif getattr(REGISTRY[name], "result", "same") == "bool":
            assert aval is not None and aval.dtype == "bool"
        elif expected == "-":
            assert aval is None
        else:
            assert aval is not None and aval.dtype == expected


@pytest.mark.parametrize("name", ["logical_and", "logical_not", "logical_or", "logical_xor"])
def test_logic_refuses_numbers(name: str) -> None:
    arity = len(REGISTRY[name].domain)  # type: ignore[attr-defined]
    with pytest.raises(DTypeError, match="compare first"):
        getattr(ops, name)(*[cr.tensor([1, 0])] * arity)


def test_small_whole_numbers_sum_beyond_their_range() -> None:
    many = cr.tensor(np.full(300, 200, np.uint8))
    assert cr.sum(many).item() == 60000
    assert cr.cumsum(many).numpy()[-1] == 60000
    assert cr.prod(many[:4]).item() == 200**4


@pytest.mark.parametrize("name", BROADCASTING)
def test_broadcasting_sums_gradients_back(name: str) -> None:
    """The gradient of a broadcast input is that of its copies, summed: checked against inputs broadcast beforehand."""
    for sample in samples(REGISTRY[name]):
        out = sample.op.infer(*map(Aval.like, sample.inputs))
        for i, x in enumerate(sample.inputs):
            if x.shape == out.shape or x.dtype.kind != "f" or not REGISTRY[name].differentiable:
                continue
            grown = tuple(np.broadcast_to(v, out.shape) for v in sample.inputs)
            gradient, copies = _gradient(sample.op, sample.inputs, i), _gradient(sample.op, grown, i)
            axes = tuple(range(out.ndim - x.ndim)) + tuple(
                a + out.ndim - x.ndim for a, n in enumerate(x.shape) if n == 1
            )
            expected = copies.sum(axis=axes, keepdims=True).reshape(x.shape)
            np.testing.assert_allclose(gradient, expected, rtol=1e-13, atol=1e-15)


def _gradient(op: Op, inputs: tuple[Any, ...], i: int) -> Any:
    tensors = [cr.tensor(v, requires_grad=j == i) for j, v in enumerate(inputs)]
    out = apply(op, *tensors)
    weights = np.arange(1.0, out.numel() + 1).reshape(out.shape)
    (out * cr.tensor(weights)).sum().backward()
    return tensors[i].grad.numpy()


def test_every_op_has_samples_with_and_without_elements() -> None:
    for name in NAMES:
        sizes = {0 in (*out.shape, *(n for x in s.inputs for n in x.shape)) for s, out in _outputs(name)}
        assert sizes == {False, True}, f"{name} needs samples with elements and one with none"


def _outputs(name: str) -> list[tuple[Any, Aval]]:
    return [(s, s.op.infer(*map(Aval.like, s.inputs))) for s in samples(REGISTRY[name])]


def test_the_list_of_ops_without_gradient_is_complete() -> None:
    """An op with a float output is differentiable, with a rule of its own, or stands in the list and says why."""
    found = set()
    for name in NAMES:
        kind = REGISTRY[name]
        has_rule = kind.vjp is not Op.vjp
        assert has_rule == kind.differentiable, f"{name}: differentiable={kind.differentiable}, rule: {has_rule}"
        if not kind.differentiable and any(out.dtype.kind == "f" for _, out in _outputs(name)):
            found.add(name)
    assert found == WITHOUT_GRADIENT
    for name in ("sign", "stop_gradient"):
        assert "derivative is 0" in str(REGISTRY[name].__doc__) or "no gradient" in str(REGISTRY[name].__doc__)


@pytest.mark.parametrize("name", sorted(WITHOUT_GRADIENT - {"normal", "uniform"}))
def test_no_gradient_passes(name: str) -> None:
    x = cr.tensor([1.0, -2.0], requires_grad=True)
    assert not getattr(ops, name)(x).requires_grad


def test_cast_gradient() -> None:
    """A gradient is cast back to the input's dtype; none passes through whole numbers."""
    x = cr.tensor([1.5, -2.5], dtype="float64", requires_grad=True)
    (x.float() * cr.tensor([2.0, 3.0])).sum().backward()
    assert x.grad.dtype == "float64" and x.grad.tolist() == [2.0, 3.0]
    assert not x.long().requires_grad


def test_op_texts(golden: Any) -> None:
    """One line a sample, as it stands in a printed graph; each graph passes the verifier."""
    lines = []
    for name in NAMES:
        for sample, out in _outputs(name):
            leaves = tuple(Node.leaf(x) for x in sample.inputs)
            node = Node(sample.op, leaves, out, None)
            text = str(Graph(leaves, [node], [node]).verify())
            first, line, last = text.split("\n")
            assert line.startswith(f"%{len(leaves)}: {out!r} = {name}") and last == f"return %{len(leaves)}"
            for key, value in sample.op.params.items():
                # An index prints as a person writes it, ``[1:, 0]``; the golden file holds the text.
                assert key == "entries" or f"{key}={value}" in str(sample.op)
            lines.append(f"{line}   <- {first.removeprefix('inputs: ')}")
    golden("ops.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", NAMES)
def test_documentation(name: str) -> None:
    """The class says what it computes; the public function's example runs, and goes through the op."""
    assert vars(REGISTRY[name]).get("__doc__"), f"{REGISTRY[name].__name__} has no docstring"
    public = PUBLIC.get(name, name)
    assert public in ops.__all__ and public in vars(cr)
    function = getattr(ops, public)
    assert inspect.isfunction(function)
    seen: set[str] = set()
    module = inspect.getmodule(function)
    example = doctest.DocTestFinder().find(function, public, module)[0]
    assert example.examples, f"{public} has no example"
    before, local.mode.watch = local.mode.watch, lambda op, node, inputs: seen.add(op.name)
    try:
        if name == "index_add":
            cr.tensor([1.0, 2.0], requires_grad=True)[[0, 0]].sum().backward()
        failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example)
    finally:
        local.mode.watch = before
    assert not failed
    assert name in seen, f"the example of {public} does not reach {name}"


def test_names_and_families() -> None:
    """Names are the field's: lower case, and each op has one of the loop shapes that a back end knows."""
    for name in NAMES:
        assert name == name.lower() and name.replace("_", "").isalnum()
        assert REGISTRY[name].family in {"map", "reduce", "move", "contract", "index", "random", "composite"}


@pytest.mark.parametrize("name", [n for n in NAMES if REGISTRY[n].family == "composite"])
def test_composites_expand_to_the_same_numbers(name: str) -> None:
    """``expand`` uses other ops alone, and gives the value and the gradients that ``compute`` and ``vjp`` give."""
    for sample in samples(REGISTRY[name]):
        inputs = [cr.Tensor(x, requires_grad=True) for x in sample.inputs]
        outputs = apply(sample.op, *inputs), sample.op.expand(*inputs)
        assert name not in {n.op.name for n in outputs[1].graph().nodes}
        np.testing.assert_allclose(*(o.numpy() for o in outputs), rtol=1e-14, atol=1e-14)
        seed = np.linspace(0.5, 1.5, outputs[0].numel()).reshape(outputs[0].shape)
        for pair in zip(*(cr.grad_of(o, inputs, seed) for o in outputs), strict=True):
            np.testing.assert_allclose(*(g.numpy() for g in pair), rtol=1e-13, atol=1e-14)


def test_large_einsum_equals_the_product() -> None:
    """Where numpy.einsum looks for a matrix product, the numbers and gradients are the product's."""
    a, b = (cr.randn(64, 64, dtype="float64").requires_grad_() for _ in range(2))
    outs = cr.einsum("ij,jk->ik", a, b), a @ b
    np.testing.assert_allclose(outs[0].numpy(), outs[1].numpy(), rtol=1e-11, atol=1e-12)
    for pair in zip(*(cr.grad_of(o.sum(), (a, b)) for o in outs), strict=True):
        np.testing.assert_allclose(*(g.numpy() for g in pair), rtol=1e-11, atol=1e-12)
