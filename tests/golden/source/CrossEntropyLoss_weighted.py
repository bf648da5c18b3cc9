"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W_net1, b_net1, weight_criterion, x, t, lr):
    # forward
    z_net1 = x @ W_net1.T + b_net1        # (6, 3)  Linear

    shifted = z_net1 - z_net1.max(axis=1, keepdims=True)  # (6, 3)
    e = np.exp(shifted)                   # (6, 3)
    total = e.sum(axis=1, keepdims=True)  # (6, 1)
    log_p = shifted - np.log(total)       # (6, 3)
    rows = np.arange(6)                   # (6,)
    picked = weight_criterion[t]          # (6,)
    u = 0.033333335 * (log_p * weight_criterion).sum(axis=1)  # (6,)
    total2 = picked.sum()                 # ()
    loss = (-log_p[rows, t] * picked * 0.9 - u).sum() / total2  # ()

    # backward
    g = 1 / total2                        # ()
    placed = np.zeros((6, 3), np.float32)
    placed[rows, t] = -0.9 * g * picked   # (6, 3)
    dlog_p = placed - 0.033333335 * g * weight_criterion  # (6, 3)
    p = e / total                         # (6, 3)  softmax

    dz_net1 = dlog_p - p * dlog_p.sum(axis=1, keepdims=True)  # (6, 3)
    dW_net1 = dz_net1.T @ x               # (3, 4)
    db_net1 = dz_net1.sum(axis=0)         # (3,)

    # update
    W_net1 = W_net1 - lr * dW_net1
    b_net1 = b_net1 - lr * db_net1
    return loss, W_net1, b_net1


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W_net1 = 0.1 * rng.standard_normal((3, 4), dtype=np.float32)
    b_net1 = np.zeros(3, np.float32)
    weight_criterion = 0.1 * rng.standard_normal(3, dtype=np.float32)
    x = rng.random((6, 4), dtype=np.float32)
    t = rng.integers(0, 3, 6)
    lr = 0.1
    for _ in range(10):
        loss, W_net1, b_net1 = step(W_net1, b_net1, weight_criterion, x, t, lr)
        print(loss)
