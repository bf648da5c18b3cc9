"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(
    W1, b1, gamma1, beta1, running_mean1, running_var1, batches1, W2, b2,
    x, t, lr,
):
    # forward
    z1 = x @ W1.T + b1                       # (6, 5)  Linear
    batches1 = batches1 + 1                  # ()
    mean1 = z1.mean(axis=0)                  # (5,)
    centred1 = z1 - mean1                    # (6, 5)
    var1 = (centred1 ** 2).mean(axis=0)      # (5,)
    running_mean1 = 0.9 * running_mean1 + 0.1 * mean1  # (5,)
    running_var1 = 0.9 * running_var1 + 0.120000005 * var1  # (5,)
    var1_eps = var1 + 1e-05                  # (5,)
    inv_std1 = 1 / np.sqrt(var1_eps)         # (5,)
    scale1 = inv_std1 * gamma1               # (5,)
    bn1 = centred1 * scale1 + beta1          # (6, 5)  BatchNorm1d

    y = bn1 @ W2.T + b2                      # (6, 3)  Linear

    error = y - t                            # (6, 3)
    loss = (error ** 2).mean()               # ()

    # backward
    dy = 0.11111111 * error                  # (6, 3)
    dW2 = dy.T @ bn1                         # (3, 5)
    db2 = dy.sum(axis=0)                     # (3,)

    dbn1 = dy @ W2                           # (6, 5)
    dbeta1 = dbn1.sum(axis=0)                # (5,)
    dscale1 = (dbn1 * centred1).sum(axis=0)  # (5,)
    dgamma1 = dscale1 * inv_std1             # (5,)
    dinv_std1 = dscale1 * gamma1             # (5,)
    dvar1_eps = -0.5 * dinv_std1 * inv_std1 / var1_eps  # (5,)
    dcentred1 = dbn1 * scale1 + 0.33333334 * dvar1_eps * centred1  # (6, 5)
    dz1 = dcentred1 - 0.16666667 * dcentred1.sum(axis=0)  # (6, 5)
    dW1 = dz1.T @ x                          # (5, 4)
    db1 = dz1.sum(axis=0)                    # (5,)

    # update
    W1 = W1 - lr * dW1
    b1 = b1 - lr * db1
    gamma1 = gamma1 - lr * dgamma1
    beta1 = beta1 - lr * dbeta1
    W2 = W2 - lr * dW2
    b2 = b2 - lr * db2
    return (
        loss,
        W1, b1, gamma1, beta1, running_mean1, running_var1, batches1, W2, b2,
    )


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W1 = 0.1 * rng.standard_normal((5, 4), dtype=np.float32)
    b1 = np.zeros(5, np.float32)
    gamma1 = 0.1 * rng.standard_normal(5, dtype=np.float32)
    beta1 = np.zeros(5, np.float32)
    running_mean1 = np.zeros(5, np.float32)
    running_var1 = np.ones(5, np.float32)
    batches1 = np.int64(0)
    W2 = 0.1 * rng.standard_normal((3, 5), dtype=np.float32)
    b2 = np.zeros(3, np.float32)
    x = rng.random((6, 4), dtype=np.float32)
    t = rng.random((6, 3), dtype=np.float32)
    lr = 0.1
    for _ in range(10):
        (
            loss,
            W1, b1, gamma1, beta1, running_mean1, running_var1, batches1, W2, b2,
        ) = step(
            W1, b1, gamma1, beta1, running_mean1, running_var1, batches1, W2, b2,
            x, t, lr,
        )
        print(loss)
