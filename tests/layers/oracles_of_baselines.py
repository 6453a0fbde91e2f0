"""The published equations of the baselines in numpy, and the functions that all equations use."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def group_norm(x, groups, weight, bias, eps=1e-5):
    cut = x.reshape(groups, -1)
    cut = (cut - cut.mean(-1, keepdims=True)) / np.sqrt(cut.var(-1, keepdims=True) + eps)
    return weight * cut.reshape(-1) + bias


def conv(x, w, prefix="convolution"):
    """Causal depthwise convolution of x [T, C], or x itself when there is none."""
    if f"{prefix}.weight" not in w:
        return x
    kernel, out = w[f"{prefix}.weight"], np.zeros_like(x)
    for t in range(len(x)):
        for j in range(kernel.shape[1]):
            if t - j >= 0:
                out[t] += kernel[:, j] * x[t - j]
    return out + w.get(f"{prefix}.bias", 0)


def lstm(w, c, x):
    D = x.shape[1]
    h, cell = w["initial_state"] if "initial_state" in w else np.zeros((2, D))
    outs = []
    for t in range(len(x)):
        i, f, z, o = np.split(
            w["cells.weight_ih_l0"] @ x[t]
            + w["cells.weight_hh_l0"] @ h
            + w["cells.bias_ih_l0"]
            + w["cells.bias_hh_l0"],
            4,
        )
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(cell)
        outs.append(h)
    return np.array(outs)


def slstm(w, c, x):
    """Without stabilization."""
    H, D = c["num_heads"], x.shape[1]
    width = D // H
    mixed = silu(conv(x, w)) if "convolution.weight" in w else x
    h, cell = (part.reshape(H, width) for part in w.get("initial_state", np.zeros((2, D))))
    n = np.full((H, width), 1.0 if "initial_state" in w else 0.0)
    outs = []
    for t in range(len(x)):
        gates = np.concatenate([w["gates_proj.weight"] @ mixed[t], w["cells_proj.weight"] @ x[t]]).reshape(4, H, width)
        new = np.zeros((3, H, width))
        for head in range(H):
            recurrent = (h[head] @ w["recurrent"][head]).reshape(4, width)
            i, f, z, o = gates[:, head] + recurrent + w["bias"][head]
            c_next = sigmoid(f) * cell[head] + np.exp(i) * np.tanh(z)
            n_next = sigmoid(f) * n[head] + np.exp(i)
            new[:, head] = c_next, n_next, sigmoid(o) * c_next / n_next
        cell, n, h = new
        outs.append(group_norm(h.reshape(-1), H, w["norm.weight"], w["norm.bias"]))
    return np.array(outs)


def attention(w, c, x):
    T, D = x.shape
    H = c["num_heads"]
    K = D // H
    q, k, v = (part.reshape(T, H, K) for part in np.split(x @ w["in_proj.weight"].T, 3, axis=1))

    def turn(z, t):
        angle = t * c["rope_base"] ** (-2 * np.arange(K // 2) / K)
        pair = (z[: K // 2] + 1j * z[K // 2 :]) * np.exp(1j * angle)
        return np.concatenate([pair.real, pair.imag])

    outs = []
    for t in range(T):
        ys = []
        for h in range(H):
            scores = np.array([turn(q[t, h], t) @ turn(k[s, h], s) for s in range(t + 1)]) / np.sqrt(K)
            p = np.exp(scores - scores.max())
            ys.append((p / p.sum()) @ v[: t + 1, h])
        outs.append(w["out_proj.weight"] @ np.concatenate(ys))
    return np.array(outs)


BASELINES = {"lstm": lstm, "slstm": slstm, "attention": attention}
