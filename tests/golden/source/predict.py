"""The function `predict`, written out by chainrule: NumPy alone."""

import numpy as np


def predict(W1, b1, W2, b2, x):
    z1 = x @ W1.T + b1                              # (6, 5)  Linear
    h1 = np.maximum(z1, 0)                          # (6, 5)  ReLU

    z2 = h1 @ W2.T + b2                             # (6, 3)  Linear
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))  # (6, 3)
    y = e / e.sum(axis=1, keepdims=True)            # (6, 3)  Softmax
    return y


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W1 = 0.1 * rng.standard_normal((5, 4), dtype=np.float32)
    b1 = np.zeros(5, np.float32)
    W2 = 0.1 * rng.standard_normal((3, 5), dtype=np.float32)
    b2 = np.zeros(3, np.float32)
    x = rng.random((6, 4), dtype=np.float32)
    print(predict(W1, b1, W2, b2, x))
