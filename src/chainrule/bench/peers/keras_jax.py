"""Keras on JAX: ``model.fit``, compiled, several steps in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from chainrule.bench.case import Arrays, Case, System

Array = np.ndarray[Any, Any]


def build(case: Case, arrays: Arrays) -> System:
    """A Sequential model; the back end is chosen by KERAS_BACKEND."""
    return Model(case, arrays)


class Model:
    """A training of full batches is one epoch over copies of them: between epochs Keras does what no step needs."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        import keras

        layers: list[Any] = [keras.Input((case.sizes[0],))]
        for width in case.sizes[1:-1]:
            layers.append(keras.layers.Dense(width))
            if case.batch_norm:
                layers.append(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
            layers.append(keras.layers.Activation(case.hidden))
        layers.append(keras.layers.Dense(case.sizes[-1], activation="sigmoid" if case.output == "sigmoid" else None))
        self.case, self.model = case, keras.Sequential(layers)
        adam = case.optimizer == "adam"
        entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(
            optimizer=keras.optimizers.Adam(case.lr, epsilon=1e-8) if adam else keras.optimizers.SGD(case.lr),
            loss="mse" if case.loss == "mse" else entropy,
            jit_compile=True,
            steps_per_execution=min(STEPS_PER_CALL, case.steps),
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self.state = [v.numpy() for v in self.model.optimizer.variables]
        self.start = self._initial(arrays.weights)
        full = case.batch == 0
        self.x = np.tile(arrays.x, (case.epochs, 1)) if full else arrays.x
        self.y = np.tile(arrays.y, (case.epochs, *[1] * (arrays.y.ndim - 1))) if full else arrays.y
        self.batch, self.epochs = (len(arrays.x), 1) if full else (case.batch, case.epochs)

    def _initial(self, weights: list[Array]) -> list[Array]:
        """Keras' list of weights, W as (inputs, outputs), what belongs to batch normalisation as it is."""
        given = [w.T if w.ndim == 2 else w for w in weights]
        stored: list[Array] = []
        for layer in self.model.layers:
            dense = bool(layer.weights) and "kernel" in [v.name for v in layer.weights]
            stored += [given.pop(0), given.pop(0)] if dense else layer.get_weights()
        return stored

    def reset(self) -> None:
        """The initial weights, and an optimizer that remembers nothing."""
        self.model.set_weights(self.start)
        for variable, value in zip(self.model.optimizer.variables, self.state, strict=True):
            variable.assign(value)

    def train(self) -> None:
        """All epochs."""
        self.model.fit(
            self.x, self.y, batch_size=self.batch, epochs=self.epochs, shuffle=self.case.batch > 0, verbose=0
        )

    def predict(self, x: Array) -> Array:
        """The outputs; a few rows go through the compiled function of a batch, many through ``predict``."""
        if len(x) <= 1000:
            return np.asarray(self.model.predict_on_batch(x))
        return np.asarray(self.model.predict(x, batch_size=10_000, verbose=0))


#: Steps that Keras runs in one call of a compiled function; each is compiled, so more make starting slow.
STEPS_PER_CALL = 16
