"""JAX: the whole training in one jitted function, steps in lax.scan, parameters donated, rows and orders on the device."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from chainrule.bench.case import Arrays, Case, System

#: Steps in the body of the compiled loop where a step is so short that the loop itself is felt.
UNROLLED = 4


def build(case: Case, arrays: Arrays) -> System:
    """A training as one compiled function."""
    return Scan(case, arrays)


class Scan:
    """Parameters are a list of dictionaries, one a layer; the state of training is carried through the scan."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        import jax
        import jax.numpy as jnp

        self.jax, self.jnp, self.case = jax, jnp, case
        self.x, self.y = jnp.asarray(arrays.x), jnp.asarray(arrays.y)
        self.orders = None if arrays.orders is None else jnp.asarray(arrays.orders)
        self.weights = arrays.weights
        self.compiled = jax.jit(self._train, donate_argnums=0)
        self.outputs = jax.jit(partial(self._forward, training=False))

    def reset(self) -> None:
        """Back to the initial weights."""
        jax, jnp = self.jax, self.jnp
        params, statistics = [], []
        for w, b in zip(self.weights[::2], self.weights[1::2], strict=True):
            params.append({"w": jnp.asarray(w if self._turned(w.shape[1], w.shape[0]) else w.T), "b": jnp.asarray(b)})
        if self.case.batch_norm:
            for layer in params[:-1]:
                width = layer["b"].shape
                layer |= {"gamma": jnp.ones(width), "beta": jnp.zeros(width)}
                statistics.append((jnp.zeros(width), jnp.ones(width)))
        moments = None
        if self.case.optimizer == "adam":
            moments = (
                jax.tree.map(jnp.zeros_like, params),
                jax.tree.map(jnp.zeros_like, params),
                jnp.zeros((), "int32"),
            )
        self.state = jax.block_until_ready((params, statistics, moments))

    def train(self) -> None:
        """One call; its results come when the device is done."""
        self.state, self.losses = self.jax.block_until_ready(self.compiled(self.state, self.x, self.y, self.orders))

    def predict(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The outputs, batch normalisation by its running statistics."""
        import numpy as np

        params, statistics, _ = self.state
        return np.asarray(self.outputs(params, statistics, x)[0])

    # ---- traced

    def _train(self, state: Any, x: Any, y: Any, orders: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            if rows is None:
                return self._step(state, x, y)
            # Indices are known to be good: no clipping.
            picked = (a.at[rows].get(mode="promise_in_bounds") for a in (x, y))
            return self._step(state, *picked)

        length = self.case.steps if orders is None else None
        return self.jax.lax.scan(step, state, orders, length=length, unroll=UNROLLED if orders is None else 1)

    def _step(self, state: Any, x: Any, y: Any) -> Any:
        params, statistics, moments = state
        (loss, statistics), grads = self.jax.value_and_grad(self._loss, has_aux=True)(params, statistics, x, y)
        if moments is None:
            params = self.jax.tree.map(lambda p, g: p - self.case.lr * g, params, grads)
        else:
            params, moments = self._adam(params, moments, grads)
        return (params, statistics, moments), loss

    def _loss(self, params: Any, statistics: Any, x: Any, y: Any) -> Any:
        outputs, statistics = self._forward(params, statistics, x, training=True)
        if self.case.loss == "mse":
            return self.jnp.square(outputs - y).mean(), statistics
        logs = self.jax.nn.log_softmax(outputs)
        return -self.jnp.take_along_axis(logs, y[:, None], axis=1).mean(), statistics

    def _forward(self, params: Any, statistics: Any, x: Any, training: bool) -> Any:
        nn, followed = self.jax.nn, []
        for i, layer in enumerate(params[:-1]):
            x = self._linear(layer, x)
            if self.case.batch_norm:
                mean, variance = (x.mean(0), x.var(0)) if training else statistics[i]
                n = len(x)
                seen = (mean, variance * (n / (n - 1)))
                followed.append(self.jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, statistics[i], seen))
                x = (x - mean) * self.jax.lax.rsqrt(variance + 1e-5) * layer["gamma"] + layer["beta"]
            x = nn.relu(x) if self.case.hidden == "relu" else nn.sigmoid(x)
        x = self._linear(params[-1], x)
        return nn.sigmoid(x) if self.case.output == "sigmoid" else x, followed

    def _linear(self, layer: Any, x: Any) -> Any:
        """x W^T + b, whichever way W lies."""
        w, b = layer["w"], layer["b"]
        return (x @ w.T if self._turned(x.shape[-1], len(b)) else x @ w) + b

    def _turned(self, inputs: int, outputs: int) -> bool:
        """Whether W is kept as (outputs, inputs): for layers that narrow XLA trains a quarter faster so, others slower."""
        return inputs > 4 * outputs and self.case.measure != "predict"

    def _adam(self, params: Any, moments: Any, grads: Any) -> Any:
        """Kingma and Ba, 2015, algorithm 1."""
        jnp, (m, v, count) = self.jnp, moments
        tree_map, count = self.jax.tree.map, count + 1
        m = tree_map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        rate, root = self.case.lr / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        params = tree_map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + 1e-8), params, m, v)
        return params, (m, v, count)
