"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def adam(p, g, t, m, v, lr):
    """Update one parameter p by its gradient g: Adam."""
    t = t + 1
    m = m + 0.1 * (g - m)
    v = 0.999 * v + 0.001 * g ** 2
    denominator = np.sqrt(v) / np.float32(np.sqrt(1 - 0.999 ** t)) + 1e-08
    p = p - m * np.float32(lr / (1 - 0.9 ** t)) / denominator
    return p, t, m, v


def step(
    W_fc1, b_fc1, gamma_bn1, beta_bn1, running_mean_bn1, running_var_bn1,
    batches_bn1, W_fc2, b_fc2,
    x, t, lr,
    t_W_fc1, m_W_fc1, v_W_fc1, t_b_fc1, m_b_fc1, v_b_fc1, t_gamma_bn1, m_gamma_bn1,
    v_gamma_bn1, t_beta_bn1, m_beta_bn1, v_beta_bn1, t_W_fc2, m_W_fc2, v_W_fc2,
    t_b_fc2, m_b_fc2, v_b_fc2,
):
    # forward
    z_fc1 = x @ W_fc1.T + b_fc1                      # (100, 50)  fc1: Linear
    batches_bn1 = batches_bn1 + 1                    # ()
    mean_bn1 = z_fc1.mean(axis=0)                    # (50,)
    centred_bn1 = z_fc1 - mean_bn1                   # (100, 50)
    var_bn1 = (centred_bn1 ** 2).mean(axis=0)        # (50,)
    running_mean_bn1 = 0.9 * running_mean_bn1 + 0.1 * mean_bn1  # (50,)
    running_var_bn1 = 0.9 * running_var_bn1 + 0.1010101 * var_bn1  # (50,)
    var_bn1_eps = var_bn1 + 1e-05                    # (50,)
    inv_std_bn1 = 1 / np.sqrt(var_bn1_eps)           # (50,)
    scale_bn1 = inv_std_bn1 * gamma_bn1              # (50,)
    y_bn1 = centred_bn1 * scale_bn1 + beta_bn1       # (100, 50)  bn1: BatchNorm1d
    h = np.maximum(y_bn1, 0)                         # (100, 50)

    z_fc2 = h @ W_fc2.T + b_fc2                      # (100, 10)  fc2: Linear

    shifted = z_fc2 - z_fc2.max(axis=1, keepdims=True)  # (100, 10)
    e = np.exp(shifted)                              # (100, 10)
    total = e.sum(axis=1, keepdims=True)             # (100, 1)
    log_p = shifted - np.log(total)                  # (100, 10)
    rows = np.arange(100)                            # (100,)
    loss = -log_p[rows, t].mean()                    # ()
    accuracy = (z_fc2.argmax(axis=1) == t).astype(np.float32).mean()  # ()

    # backward
    p = e / total                                    # (100, 10)  softmax

    dz_fc2 = 0.01 * p
    dz_fc2[rows, t] -= 0.01                          # (100, 10)
    dW_fc2 = dz_fc2.T @ h                            # (10, 50)
    db_fc2 = dz_fc2.sum(axis=0)                      # (10,)

    dh = dz_fc2 @ W_fc2                              # (100, 50)
    dy_bn1 = dh * (h > 0)                            # (100, 50)
    dbeta_bn1 = dy_bn1.sum(axis=0)                   # (50,)
    dscale_bn1 = (dy_bn1 * centred_bn1).sum(axis=0)  # (50,)
    dgamma_bn1 = dscale_bn1 * inv_std_bn1            # (50,)
    dinv_std_bn1 = dscale_bn1 * gamma_bn1            # (50,)
    dvar_bn1_eps = -0.5 * dinv_std_bn1 * inv_std_bn1 / var_bn1_eps  # (50,)
    dcentred_bn1 = dy_bn1 * scale_bn1 + 0.02 * dvar_bn1_eps * centred_bn1  # (100, 50)
    dz_fc1 = dcentred_bn1 - 0.01 * dcentred_bn1.sum(axis=0)  # (100, 50)
    dW_fc1 = dz_fc1.T @ x                            # (50, 784)
    db_fc1 = dz_fc1.sum(axis=0)                      # (50,)

    # update
    W_fc1, t_W_fc1, m_W_fc1, v_W_fc1 = adam(
        W_fc1, dW_fc1, t_W_fc1, m_W_fc1, v_W_fc1, lr,
    )
    b_fc1, t_b_fc1, m_b_fc1, v_b_fc1 = adam(
        b_fc1, db_fc1, t_b_fc1, m_b_fc1, v_b_fc1, lr,
    )
    gamma_bn1, t_gamma_bn1, m_gamma_bn1, v_gamma_bn1 = adam(
        gamma_bn1, dgamma_bn1, t_gamma_bn1, m_gamma_bn1, v_gamma_bn1, lr,
    )
    beta_bn1, t_beta_bn1, m_beta_bn1, v_beta_bn1 = adam(
        beta_bn1, dbeta_bn1, t_beta_bn1, m_beta_bn1, v_beta_bn1, lr,
    )
    W_fc2, t_W_fc2, m_W_fc2, v_W_fc2 = adam(
        W_fc2, dW_fc2, t_W_fc2, m_W_fc2, v_W_fc2, lr,
    )
    b_fc2, t_b_fc2, m_b_fc2, v_b_fc2 = adam(
        b_fc2, db_fc2, t_b_fc2, m_b_fc2, v_b_fc2, lr,
    )
    return (
        loss, accuracy,
        W_fc1, b_fc1, gamma_bn1, beta_bn1, running_mean_bn1, running_var_bn1,
        batches_bn1, W_fc2, b_fc2,
        t_W_fc1, m_W_fc1, v_W_fc1, t_b_fc1, m_b_fc1, v_b_fc1, t_gamma_bn1,
        m_gamma_bn1, v_gamma_bn1, t_beta_bn1, m_beta_bn1, v_beta_bn1, t_W_fc2,
        m_W_fc2, v_W_fc2, t_b_fc2, m_b_fc2, v_b_fc2,
    )


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W_fc1 = 0.1 * rng.standard_normal((50, 784), dtype=np.float32)
    b_fc1 = np.zeros(50, np.float32)
    gamma_bn1 = 0.1 * rng.standard_normal(50, dtype=np.float32)
    beta_bn1 = np.zeros(50, np.float32)
    running_mean_bn1 = np.zeros(50, np.float32)
    running_var_bn1 = np.ones(50, np.float32)
    batches_bn1 = np.int64(0)
    W_fc2 = 0.1 * rng.standard_normal((10, 50), dtype=np.float32)
    b_fc2 = np.zeros(10, np.float32)
    x = rng.random((100, 784), dtype=np.float32)
    t = rng.integers(0, 10, 100)
    lr = 0.1
    t_W_fc1 = np.float64(0)
    m_W_fc1 = np.zeros((50, 784), np.float32)
    v_W_fc1 = np.zeros((50, 784), np.float32)
    t_b_fc1 = np.float64(0)
    m_b_fc1 = np.zeros(50, np.float32)
    v_b_fc1 = np.zeros(50, np.float32)
    t_gamma_bn1 = np.float64(0)
    m_gamma_bn1 = np.zeros(50, np.float32)
    v_gamma_bn1 = np.zeros(50, np.float32)
    t_beta_bn1 = np.float64(0)
    m_beta_bn1 = np.zeros(50, np.float32)
    v_beta_bn1 = np.zeros(50, np.float32)
    t_W_fc2 = np.float64(0)
    m_W_fc2 = np.zeros((10, 50), np.float32)
    v_W_fc2 = np.zeros((10, 50), np.float32)
    t_b_fc2 = np.float64(0)
    m_b_fc2 = np.zeros(10, np.float32)
    v_b_fc2 = np.zeros(10, np.float32)
    for _ in range(10):
        (
            loss, accuracy,
            W_fc1, b_fc1, gamma_bn1, beta_bn1, running_mean_bn1, running_var_bn1,
            batches_bn1, W_fc2, b_fc2,
            t_W_fc1, m_W_fc1, v_W_fc1, t_b_fc1, m_b_fc1, v_b_fc1, t_gamma_bn1,
            m_gamma_bn1, v_gamma_bn1, t_beta_bn1, m_beta_bn1, v_beta_bn1, t_W_fc2,
            m_W_fc2, v_W_fc2, t_b_fc2, m_b_fc2, v_b_fc2,
        ) = step(
            W_fc1, b_fc1, gamma_bn1, beta_bn1, running_mean_bn1, running_var_bn1,
            batches_bn1, W_fc2, b_fc2,
            x, t, lr,
            t_W_fc1, m_W_fc1, v_W_fc1, t_b_fc1, m_b_fc1, v_b_fc1, t_gamma_bn1,
            m_gamma_bn1, v_gamma_bn1, t_beta_bn1, m_beta_bn1, v_beta_bn1, t_W_fc2,
            m_W_fc2, v_W_fc2, t_b_fc2, m_b_fc2, v_b_fc2,
        )
        print(loss, accuracy)
