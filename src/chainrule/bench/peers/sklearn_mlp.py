"""scikit-learn's multi-layer perceptron: ``fit`` for as many epochs as asked for, without stopping early."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from chainrule.bench.case import Arrays, Case, System

Array = np.ndarray[Any, Any]


def build(case: Case, arrays: Arrays) -> System:
    """MLPClassifier or MLPRegressor."""
    return Perceptron(case, arrays)


class Perceptron:
    """A time of a step is that of ``fit``, which checks its inputs and shuffles, by the number of its steps."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        warnings.simplefilter("ignore", ConvergenceWarning)  # of course it has not converged: it was told when to stop
        self.x, self.weights = arrays.x, arrays.weights
        self.classifies = case.loss == "cross_entropy"
        self.y = arrays.y if self.classifies else arrays.y.ravel()
        kind = MLPClassifier if self.classifies else MLPRegressor
        self.model = kind(
            hidden_layer_sizes=case.sizes[1:-1],
            activation="relu",
            solver=case.optimizer,
            alpha=0.0,
            learning_rate_init=case.lr,
            shuffle=case.batch > 0,
            random_state=0,
            tol=0.0,
            n_iter_no_change=10**9,
            momentum=0.0,
            nesterovs_momentum=False,
            warm_start=True,
        )
        # One step on a row of each class makes the layers, whose weights reset() can then set.
        first = np.unique(self.y, return_index=True)[1] if self.classifies else np.arange(2)
        self.model.set_params(max_iter=1, batch_size=len(first))
        self.model.fit(self.x[first], self.y[first])
        self.model.set_params(max_iter=case.epochs, batch_size=case.batch or len(arrays.x))

    def reset(self) -> None:
        """The initial weights, W as (inputs, outputs); with ``warm_start`` fit goes on from them."""
        self.model.coefs_ = [np.ascontiguousarray(w.T) for w in self.weights[::2]]
        self.model.intercepts_ = [b.copy() for b in self.weights[1::2]]

    def train(self) -> None:
        """All epochs."""
        self.model.fit(self.x, self.y)

    def predict(self, x: Array) -> Array:
        """Logarithms of probabilities, or the numbers."""
        if not self.classifies:
            return self.model.predict(x)
        return np.log(self.model.predict_proba(x))
