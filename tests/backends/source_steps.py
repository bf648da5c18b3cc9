"""Training steps whose listings are looked at: the slides' networks, each layer, each loss, each optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim

Array = np.ndarray[Any, Any]
#: A function to compile, and its arguments.
Step = tuple[Callable[..., Any], tuple[Array, ...]]

_generator = np.random.default_rng(0)
X = _generator.normal(size=(6, 4)).astype("f4")
T = _generator.random((6, 3)).astype("f4")
P = T / T.sum(axis=1, keepdims=True)
LABELS = _generator.integers(0, 3, 6)
WORDS = _generator.integers(0, 7, (6, 2))


def step_of(net: Any, criterion: Any, optimizer: Any) -> Callable[..., Any]:
    """A step as everyone writes it."""

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step


def chain(*layers: Any, loss: Any = None, optimizer: Any = None, x: Array = X, t: Array = T) -> Step:
    """Layers one after the other; the mean squared error and gradient descent if nothing else is said."""
    net = nn.Sequential(*layers)
    made = (optimizer or (lambda parameters: optim.SGD(parameters, lr=0.1)))(list(net.parameters()))
    return step_of(net, loss or nn.MSELoss(), made), (x, t)


# ---- the slides' networks


def xor() -> Step:
    """2-3-1, sigmoids, mean squared error."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f4")
    return chain(
        nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid(), x=x, t=np.array([[0], [1], [1], [0]], "f4")
    )


def iris() -> Step:
    """Softmax regression on all flowers at once, the update written by hand; float64."""
    flowers = cr.data.iris(dtype=np.float64)
    W = cr.zeros(4, 3, dtype=cr.float64, requires_grad=True)
    b = cr.ones(3, dtype=cr.float64, requires_grad=True)

    def step(x: Any, y: Any) -> Any:
        z = x @ W + b
        loss = -(y * cr.log_softmax(z, axis=1)).sum(axis=1).mean()
        loss.backward()
        with cr.no_grad():
            for parameter in (W, b):
                parameter -= 0.0001 * parameter.grad
                parameter.grad = None
        return loss

    return step, (flowers.inputs, np.eye(3)[flowers.targets])


def _digits() -> tuple[Array, Array]:
    generator = np.random.default_rng(1)
    return generator.random((100, 784)).astype("f4"), generator.integers(0, 10, 100)


def mnist() -> Step:
    """784-50-10, ReLU, cross entropy, gradient descent."""
    x, t = _digits()
    return chain(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10), loss=nn.CrossEntropyLoss(), x=x, t=t)


def mnist_baseline() -> Step:
    """784-50-10, sigmoid, softmax, binary cross entropy, as on the slides."""
    x, t = _digits()
    layers = nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 10), nn.Softmax(dim=1)
    return chain(*layers, loss=nn.BCELoss(), x=x, t=np.eye(10, dtype="f4")[t])


class Net(nn.Module):
    """The improved classifier, as a module with named layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.bn1, self.fc2 = nn.Linear(784, 50), nn.BatchNorm1d(50), nn.Linear(50, 10)

    def forward(self, x: Any) -> Any:
        h = cr.relu(self.bn1(self.fc1(x)))
        return self.fc2(h)


def mnist_improved() -> Step:
    """ReLU, batch normalisation and Adam; the accuracy is returned too."""
    net, criterion = Net(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(net.parameters(), lr=0.01)

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        scores = net(x)
        loss = criterion(scores, t)
        loss.backward()
        optimizer.step()
        accuracy = (scores.argmax(axis=1) == t).float().mean()
        return loss, accuracy

    return step, _digits()


def predict() -> Step:
    """No learning at all."""
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Softmax(dim=1)).eval()

    def predict(x: Any) -> Any:
        return net(x)

    return predict, (X,)


NETWORKS = {f.__name__: f for f in (xor, iris, mnist, mnist_baseline, mnist_improved, predict)}


# ---- layers, losses, optimizers


def hidden(layer: Any) -> Callable[[], Step]:
    """A network with ``layer()`` in its middle."""
    return lambda: chain(nn.Linear(4, 5), layer(), nn.Linear(5, 3))


LAYERS: dict[str, Callable[[], Step]] = {
    "BatchNorm1d": hidden(lambda: nn.BatchNorm1d(5)),
    "BatchNorm1d_average": hidden(lambda: nn.BatchNorm1d(5, momentum=None)),
    "Dropout": lambda: chain(nn.Dropout(0.1), nn.Linear(4, 5), nn.ReLU(), nn.Dropout(0.2), nn.Linear(5, 3)),
    "ELU": hidden(nn.ELU),
    "Embedding": lambda: chain(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(8, 3), x=WORDS),
    "Embedding_padding": lambda: chain(nn.Embedding(7, 4, padding_idx=0), nn.Flatten(), nn.Linear(8, 3), x=WORDS),
    "Flatten": lambda: chain(nn.Flatten(), nn.Linear(4, 3), x=X.reshape(6, 2, 2)),
    "GELU": hidden(nn.GELU),
    "GELU_tanh": hidden(lambda: nn.GELU("tanh")),
    "Identity": hidden(nn.Identity),
    "LayerNorm": hidden(lambda: nn.LayerNorm(5)),
    "LeakyReLU": hidden(nn.LeakyReLU),
    "Linear": lambda: chain(nn.Linear(4, 3)),
    "Linear_stack": lambda: chain(nn.Linear(2, 3), x=X.reshape(3, 4, 2), t=np.ones((3, 4, 3), "f4")),
    "Linear_without_bias": lambda: chain(nn.Linear(4, 5, bias=False), nn.Tanh(), nn.Linear(5, 3, bias=False)),
    "LogSoftmax": hidden(lambda: nn.LogSoftmax(dim=1)),
    "Maxout": lambda: chain(nn.Maxout(4, 5, 2), nn.Linear(5, 3)),
    "PReLU": hidden(nn.PReLU),
    "ReLU": hidden(nn.ReLU),
    "SELU": hidden(nn.SELU),
    "SiLU": hidden(nn.SiLU),
    "Sigmoid": hidden(nn.Sigmoid),
    "Softmax": hidden(lambda: nn.Softmax(dim=1)),
    "Softplus": hidden(nn.Softplus),
    "Step": hidden(nn.Step),
    "Tanh": hidden(nn.Tanh),
    "Unflatten": lambda: chain(nn.Linear(4, 6), nn.Unflatten(1, (3, 2)), nn.Flatten(), nn.Linear(6, 3)),
}

LOSSES: dict[str, Callable[[], Step]] = {
    "BCELoss": lambda: chain(nn.Linear(4, 3), nn.Sigmoid(), loss=nn.BCELoss()),
    "BCEWithLogitsLoss": lambda: chain(nn.Linear(4, 3), loss=nn.BCEWithLogitsLoss()),
    "CrossEntropyLoss": lambda: chain(nn.Linear(4, 3), loss=nn.CrossEntropyLoss(), t=LABELS),
    "CrossEntropyLoss_soft": lambda: chain(nn.Linear(4, 3), loss=nn.CrossEntropyLoss(), t=P),
    "CrossEntropyLoss_weighted": lambda: chain(
        nn.Linear(4, 3), loss=nn.CrossEntropyLoss(weight=cr.tensor([1.0, 2.0, 3.0]), label_smoothing=0.1), t=LABELS
    ),
    "HuberLoss": lambda: chain(nn.Linear(4, 3), loss=nn.HuberLoss()),
    "KLDivLoss": lambda: chain(nn.Linear(4, 3), nn.LogSoftmax(dim=1), loss=nn.KLDivLoss(reduction="batchmean"), t=P),
    "L1Loss": lambda: chain(nn.Linear(4, 3), loss=nn.L1Loss()),
    "MSELoss": lambda: chain(nn.Linear(4, 3), loss=nn.MSELoss(reduction="sum")),
    "NLLLoss": lambda: chain(nn.Linear(4, 3), nn.LogSoftmax(dim=1), loss=nn.NLLLoss(), t=LABELS),
    "SmoothL1Loss": lambda: chain(nn.Linear(4, 3), loss=nn.SmoothL1Loss()),
}


def optimised(optimizer: Any, **settings: Any) -> Callable[[], Step]:
    """A small network with an optimizer."""
    layers = lambda: (nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))  # noqa: E731
    return lambda: chain(*layers(), optimizer=lambda parameters: optimizer(parameters, **settings))


OPTIMIZERS: dict[str, Callable[[], Step]] = {
    "Adadelta": optimised(optim.Adadelta),
    "Adagrad": optimised(optim.Adagrad, lr_decay=0.1),
    "Adam": optimised(optim.Adam),
    "Adam_amsgrad": optimised(optim.Adam, amsgrad=True, weight_decay=0.01),
    "AdamW": optimised(optim.AdamW),
    "NAdam": optimised(optim.NAdam),
    "RMSprop": optimised(optim.RMSprop),
    "RMSprop_centered": optimised(optim.RMSprop, centered=True, momentum=0.9),
    "SGD": optimised(optim.SGD, lr=0.1),
    "SGD_momentum": optimised(optim.SGD, lr=0.1, momentum=0.9),
    "SGD_nesterov": optimised(optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
}

STEPS = {**NETWORKS, **LAYERS, **LOSSES, **OPTIMIZERS}


def trained(name: str, backend: str, steps: int = 4) -> tuple[Any, list[Array]]:
    """The compiled step after ``steps`` steps from seed 0, and all that it returned."""
    cr.manual_seed(0)
    function, arguments = STEPS[name]()
    compiled = cr.compile(function, backend=backend)
    returned: list[Array] = []
    for _ in range(steps):
        result = compiled(*map(cr.tensor, arguments))
        returned += [r.numpy() for r in (result if isinstance(result, tuple) else (result,))]
    return compiled, returned
