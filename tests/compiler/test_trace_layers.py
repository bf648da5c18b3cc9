"""Every layer and every loss in a compiled step: results, gradients and running statistics are the eager ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import check_twins, numbers

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F


class Net(nn.Module):
    """Containers, a branch, and a shared layer."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3)])
        self.named = nn.ModuleDict({"gate": nn.Sigmoid(), "last": nn.Linear(3, 3)})

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        """A gated sum, through one layer twice."""
        left, right = (part(x) for part in self.parts)
        return self.named["last"](self.named["last"](left * self.named["gate"](right)))


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Identity": (nn.Identity, (3, 4)),
    "Step": (nn.Step, (3, 4)),
    "Sigmoid": (nn.Sigmoid, (3, 4)),
    "Tanh": (nn.Tanh, (3, 4)),
    "ReLU": (nn.ReLU, (3, 4)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), (3, 4)),
    "PReLU": (lambda: nn.PReLU(4), (3, 4)),
    "ELU": (lambda: nn.ELU(0.5), (3, 4)),
    "SELU": (nn.SELU, (3, 4)),
    "GELU": (nn.GELU, (3, 4)),
    "GELU tanh": (lambda: nn.GELU("tanh"), (3, 4)),
    "SiLU": (nn.SiLU, (3, 4)),
    "Softplus": (nn.Softplus, (3, 4)),
    "Maxout": (lambda: nn.Maxout(4, 2, pieces=3), (3, 4)),
    "Softmax": (lambda: nn.Softmax(1), (3, 4)),
    "LogSoftmax": (lambda: nn.LogSoftmax(0), (3, 4)),
    "Flatten": (nn.Flatten, (3, 2, 2)),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), (3, 4)),
    "Dropout": (lambda: nn.Dropout(0.4), (30, 4)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), (3, 4)),
    "BatchNorm1d sequence": (lambda: nn.BatchNorm1d(4, momentum=0.3), (3, 4, 2)),
    "BatchNorm1d average": (lambda: nn.BatchNorm1d(4, momentum=None, affine=False), (3, 4)),
    "BatchNorm1d untracked": (lambda: nn.BatchNorm1d(4, track_running_stats=False), (3, 4)),
    "LayerNorm": (lambda: nn.LayerNorm(4), (3, 4)),
    "LayerNorm two axes": (lambda: nn.LayerNorm((2, 4), elementwise_affine=False), (3, 2, 4)),
    "Linear": (lambda: nn.Linear(4, 2), (3, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 2, bias=False), (2, 3, 4)),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)), (3, 4)),
    "ModuleList, ModuleDict": (Net, (3, 4)),
}
#: What is no layer: bases, losses (below), and what takes indexes (below).
OTHERS = {"Module", "Parameter", "Summary", "SummaryRow", "functional", "init", "summary", "Embedding"}

Target = Callable[[], np.ndarray[Any, Any]]
LOSSES: dict[str, tuple[Callable[[str], nn.Module], Target]] = {
    "MSELoss": (lambda r: nn.MSELoss(r), lambda: numbers(3, 6, 4)),
    "L1Loss": (lambda r: nn.L1Loss(r), lambda: numbers(3, 6, 4)),
    "HuberLoss": (lambda r: nn.HuberLoss(r, delta=0.7), lambda: numbers(3, 6, 4)),
    "SmoothL1Loss": (lambda r: nn.SmoothL1Loss(r, beta=0.5), lambda: numbers(3, 6, 4)),
    "BCELoss": (lambda r: nn.BCELoss(reduction=r), lambda: np.abs(numbers(3, 6, 4)) % 1),
    "BCELoss weight": (lambda r: nn.BCELoss([1.0, 2.0, 0.5, 0.1], r), lambda: np.abs(numbers(3, 6, 4)) % 1),
    "BCEWithLogitsLoss": (lambda r: nn.BCEWithLogitsLoss(reduction=r), lambda: np.abs(numbers(3, 6, 4)) % 1),
    "BCEWithLogitsLoss weights": (
        lambda r: nn.BCEWithLogitsLoss([1.0, 2.0, 0.5, 0.1], r, [3.0, 1.0, 1.0, 2.0]),
        lambda: np.abs(numbers(3, 6, 4)) % 1,
    ),
    "CrossEntropyLoss": (lambda r: nn.CrossEntropyLoss(reduction=r), lambda: np.arange(6) % 4),
    "CrossEntropyLoss all": (
        lambda r: nn.CrossEntropyLoss([1.0, 2.0, 0.5, 0.1], ignore_index=1, reduction=r, label_smoothing=0.2),
        lambda: np.arange(6) % 4,
    ),
    "CrossEntropyLoss soft": (lambda r: nn.CrossEntropyLoss(reduction=r), lambda: np.full((6, 4), 0.25, np.float32)),
    "NLLLoss": (lambda r: nn.NLLLoss(reduction=r), lambda: np.arange(6) % 4),
    "NLLLoss all": (lambda r: nn.NLLLoss([1.0, 2.0, 0.5, 0.1], 2, r), lambda: np.arange(6) % 4),
    "KLDivLoss": (lambda r: nn.KLDivLoss(r), lambda: np.full((6, 4), 0.25, np.float32)),
    "KLDivLoss log": (lambda r: nn.KLDivLoss(r, log_target=True), lambda: np.full((6, 4), -1.4, np.float32)),
}


def in_dtype(array: Any, dtype: str) -> Any:
    """Floats in ``dtype``; whole numbers stay."""
    return array.astype(dtype) if array.dtype.kind == "f" else array


def test_no_layer_or_loss_is_left_out() -> None:
    covered = {name for key in (*LAYERS, *LOSSES) for name in key.replace(",", "").split()}
    assert set(nn.__all__) - OTHERS <= covered


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str, dtype: str, backend: Any) -> None:
    """Forward and backward, in training, in evaluation and in training again; the input's gradient too."""
    make_layer, shape = LAYERS[name]

    def make() -> tuple[Any, ...]:
        layer = make_layer().to(dtype)

        def step(x: cr.Tensor, weights: cr.Tensor) -> tuple[Any, ...]:
            x.grad = None
            out = layer(x)
            loss = (out * weights).sum()
            if loss.requires_grad:
                loss.backward()
            return out, loss, x.grad

        return step, layer

    out_shape = make_layer()(cr.zeros(*shape)).shape
    batches = [numbers(i, *shape, dtype=dtype) for i in range(3)]
    weights = cr.tensor(numbers(9, *out_shape, dtype=dtype))
    calls: list[Any] = [(cr.tensor(x), weights) for x in batches]
    calls += [lambda step, layer: layer.eval(), *calls, lambda step, layer: layer.train(), *calls[:1]]
    calls += [(cr.tensor(x, requires_grad=True), weights) for x in batches[:2]]
    check_twins(make, calls, backend)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, reduction: str, dtype: str, backend: Any) -> None:
    make_loss, target = LOSSES[name]

    def make() -> tuple[Any, ...]:
        loss, weight = make_loss(reduction).to(dtype), cr.tensor(numbers(1, 4, dtype=dtype), requires_grad=True)

        def step(x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
            scores = x * weight
            if name.startswith("BCELoss"):
                scores = scores.sigmoid()
            elif name.startswith(("NLL", "KL")):
                scores = cr.log_softmax(scores, 1)
            value: cr.Tensor = loss(scores, t)
            value.sum().backward()
            return value

        return step, weight, loss

    t = cr.tensor(in_dtype(target(), dtype))
    check_twins(make, [(cr.tensor(numbers(i, 6, 4, dtype=dtype)), t) for i in range(2)], backend)


def test_kl_divergence_by_batch_mean(backend: Any) -> None:
    target = cr.tensor(np.full((6, 4), 0.25, np.float32))
    f = nn.KLDivLoss("batchmean")
    check_twins(lambda: (lambda x: f(cr.log_softmax(x, 1), target),), [(numbers(0, 6, 4),)], backend)


@pytest.mark.parametrize("padding", [None, 0, -1])
def test_embedding(padding: int | None, backend: Any) -> None:
    """Rows that are looked up twice get both gradients; the padding row gets none."""

    def make() -> tuple[Any, ...]:
        layer = nn.Embedding(5, 3, padding_idx=padding)

        def step(words: cr.Tensor) -> cr.Tensor:
            out = layer(words)
            (out * out).sum().backward()
            return out

        return step, layer

    twin = check_twins(make, [(np.array([[1, 4], [1, 0]]),), (np.array([[2, 2], [2, 3]]),)], backend)
    gradient = twin[1].weight.grad.numpy()
    assert (padding is None) == bool(np.any(gradient[0 if padding is None else padding] != 0)) and gradient[2].any()


def test_images_and_sequences_of_labels(backend: Any) -> None:
    """Cross entropy over (N, C, d1)."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(0, 3, 4, 5), requires_grad=True)

        def step(labels: cr.Tensor) -> cr.Tensor:
            loss = F.cross_entropy(w, labels)
            loss.backward()
            return loss

        return step, w

    check_twins(make, [(np.arange(15).reshape(3, 5) % 4,)], backend)


def test_what_the_library_keeps_is_no_input() -> None:
    """Constants of layers and losses are part of the program, in whichever trace they were made."""
    layer = nn.BatchNorm1d(4)
    for _ in range(2):
        program = cr.compile(lambda x, t: F.cross_entropy(layer(x), t), backend="numpy").graph(
            cr.ones(3, 4), cr.tensor([0, 1, 2])
        )
        own = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
        assert {program.names[n] for n in program.inputs} == {*own, "x", "t"}


def test_functional_layers(backend: Any) -> None:
    weight, bias, running = (cr.tensor(numbers(i, *s)) for i, s in enumerate([(4, 3), (4,), (4,)]))

    def f(x: cr.Tensor) -> dict[str, cr.Tensor]:
        h = F.linear(x, weight, bias)
        return {
            "relu": F.relu(h), "softmax": F.softmax(h, 1), "norm": F.layer_norm(h, (4,)),
            "batch": F.batch_norm(h, running, running * running + 1), "dropped": F.dropout(h, 0.5),
        }  # fmt: skip

    check_twins(lambda: (f,), [(numbers(5, 6, 3),), (numbers(6, 6, 3),)], backend, traces=1)


def test_labels_that_do_not_fit(backend: Any) -> None:
    """A label beyond the classes stops the compiled step too, and changes nothing."""
    layer = nn.Linear(2, 3)
    optimizer = cr.optim.SGD(layer.parameters(), lr=0.1)

    def step(x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(layer(x), t)
        loss.backward()
        optimizer.step()
        return loss

    compiled = cr.compile(step, backend=backend)
    compiled(cr.ones(2, 2), cr.tensor([0, 2]))
    before = layer.state_dict()
    with pytest.raises((IndexError, cr.ChainruleError)):
        compiled(cr.ones(2, 2), cr.tensor([0, 3]))
    for name, tensor in layer.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name].numpy())
