"""The published equations of every mixer, written again in numpy, one token after the other, in float64.

`run(name, weights, config, x)` gives for one word x [T, D] the outputs [T, D] and, for linear mixers, the matrices A_t
[T, H, K, K]. Nothing here is imported from lrnn.
"""

import numpy as np

from tests.layers.oracles_of_baselines import BASELINES, conv, group_norm, sigmoid, silu
from tests.layers.oracles_of_vectors import VECTORS, signed, softplus, start

ACTIVATIONS = {
    "silu": silu,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x + 1, np.exp(x)),
    "none": lambda x: x,
}


def rms(x, weight, eps=1e-5):
    return weight * x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)


def unit(x, form):
    if form == "clamp":
        return np.clip(0.5 + 0.6 * np.tanh(x), 0, 1)
    return {"sigmoid": sigmoid(x), "sharp": sigmoid(10 * x), "pinned": np.ones_like(x)}[form]


def betas(x, w, c, count):
    bound = 2 if c["eigenvalues"] == (-1, 1) else 1
    if c["beta_form"] == "pinned":
        return np.full((len(x), count), float(bound))
    return bound * unit(x @ w["beta.proj.weight"].T, c["beta_form"])


def projected(w, c, x, count):
    """x, convolved if the convolution stands in front, and its projections, convolved if it stands behind them."""
    if c["conv_place"] == "input":
        x = conv(x, w)
        return x, [x @ w[f"projs.{i}.weight"].T for i in range(count)]
    parts = [x @ w[f"projs.{i}.weight"].T for i in range(count)]
    cuts = np.cumsum([part.shape[1] for part in parts])[:-1]
    return x, np.split(conv(np.concatenate(parts, 1), w), cuts, axis=1)


def delta(w, c, x, H, K, V, R):
    """DeltaNet, DeltaProduct; with decay_proj in the weights their gated forms."""
    T, given = len(x), x
    x, parts = projected(w, c, x, 3 if c["write"] else 2)
    act = ACTIVATIONS[c["key_activation"]]
    q, k = act(parts[0]).reshape(T, H, K), act(parts[1]).reshape(T, H, R, K)
    value_act = ACTIVATIONS[c["value_activation"]]
    v = value_act(parts[2]).reshape(T, H, R, V) if c["write"] else np.zeros((T, H, R, V))
    beta = betas(x, w, c, H * R).reshape(T, H, R)
    S, As, outs = start(w, H, K, V), np.zeros((T, H, K, K)), []
    for t in range(T):
        ys = []
        for h in range(H):
            alpha = 1.0
            if "A_log" in w:
                g = -np.exp(w["A_log"][h]) * softplus(w["decay_proj.weight"][h] @ x[t] + w["dt_bias"][h])
                alpha = signed(g, c["decay_form"], (0, 1))
            A, s = alpha * np.eye(K), alpha * S[h]
            for r in range(R):
                unit_key = k[t, h, r] / max(np.linalg.norm(k[t, h, r]), 1e-6)
                key = unit_key if c["key_norm"] else k[t, h, r]
                H_r = np.eye(K) - beta[t, h, r] * np.outer(unit_key, unit_key)
                A, s = H_r @ A, H_r @ s + beta[t, h, r] * np.outer(key, v[t, h, r])
            S[h], As[t, h] = s, A
            query = q[t, h] / max(np.linalg.norm(q[t, h]), 1e-6) if c["key_norm"] else q[t, h]
            ys.append(rms(s.T @ query, w["norm.weight"]) if c["output_norm"] else s.T @ query)
        y = np.concatenate(ys)
        if "gate_proj.weight" in w:
            y = y * silu(w["gate_proj.weight"] @ given[t])
        outs.append(w["out_proj.weight"] @ y)
    return np.array(outs), As


def mamba(w, c, x, H, K, V):
    u = silu(conv(x @ w["in_proj.weight"].T, w))
    rank = w["dt_proj.weight"].shape[1]
    A = -np.exp(w["A_log"])
    s, As, outs = start(w, H, K, 1)[..., 0], np.zeros((len(x), H, K, K)), []
    for t in range(len(x)):
        parts = w["select_proj.weight"] @ u[t]
        dt = softplus(w["dt_proj.weight"] @ parts[:rank] + w["dt_proj.bias"])
        C, B = parts[rank : rank + K], parts[rank + K :] if c["write"] else np.zeros(K)
        a = signed(dt[:, None] * A, c["decay_form"], c["eigenvalues"])
        euler = c["discretization"] == "euler"
        B_bar = dt[:, None] * B if euler else (np.exp(dt[:, None] * A) - 1) / A * B
        s = a * s + B_bar * u[t][:, None]
        As[t] = np.stack([np.diag(row) for row in a])
        y = s @ C + w["D"] * u[t]
        outs.append(w["out_proj.weight"] @ (y * silu(w["gate_proj.weight"] @ x[t])))
    return np.array(outs), As


def mamba2(w, c, x, H, K, V):
    mixed = conv(x @ w["in_proj.weight"].T, w)
    act = ACTIVATIONS[c["key_activation"]]
    S, As, outs = start(w, H, K, V), np.zeros((len(x), H, K, K)), []
    for t in range(len(x)):
        u, C = silu(mixed[t, : H * V]).reshape(H, V), act(mixed[t, H * V : H * V + K])
        B = act(mixed[t, H * V + K :]) if c["write"] else np.zeros(K)
        dt = softplus(w["dt_proj.weight"] @ x[t] + w["dt_bias"])
        a = signed(-dt * np.exp(w["A_log"]), c["decay_form"], c["eigenvalues"])
        ys = []
        for h in range(H):
            S[h] = a[h] * S[h] + np.outer(B, dt[h] * u[h])
            As[t, h] = a[h] * np.eye(K)
            ys.append(S[h].T @ C + w["D"][h] * u[h])
        y = np.concatenate(ys) * silu(w["gate_proj.weight"] @ x[t])
        outs.append(w["out_proj.weight"] @ rms(y, w["norm.weight"]))
    return np.array(outs), As


def gla(w, c, x, H, K, V):
    given = x
    x, parts = projected(w, c, x, 3 if c["write"] else 1)
    act = ACTIVATIONS[c["key_activation"]]
    S, As, outs = start(w, H, K, V), np.zeros((len(x), H, K, K)), []
    for t in range(len(x)):
        g = w["decay_proj.1.weight"] @ (w["decay_proj.0.weight"] @ x[t]) + w["decay_proj.1.bias"]
        a = signed(np.log(sigmoid(g)) / 16, c["decay_form"], c["eigenvalues"]).reshape(H, K)
        ys = []
        for h in range(H):
            S[h] = a[h][:, None] * S[h]
            if c["write"]:
                S[h] += np.outer(act(parts[1][t]).reshape(H, K)[h], parts[2][t].reshape(H, V)[h])
            As[t, h] = np.diag(a[h])
            y = S[h].T @ act(parts[0][t]).reshape(H, K)[h] / np.sqrt(K)
            ys.append(rms(y, w["norm.weight"]) if c["output_norm"] else y)
        gate = silu(w["gate_proj.weight"] @ given[t]) if c["output_gate"] else 1.0
        outs.append(w["out_proj.weight"] @ (np.concatenate(ys) * gate))
    return np.array(outs), As


def mlstm(w, c, x, H, K, columns):
    """Without any stabilization, as in eq. (19)-(27); A_t is the plain forget gate."""
    V = columns - 1
    mixed = ACTIVATIONS[c["key_activation"]](conv(x, w))
    first = start(w, H, K, columns)
    C, n, As, outs = first[..., :V], first[..., V], np.zeros((len(x), H, K, K)), []
    for t in range(len(x)):
        q = (w["query_proj.weight"] @ mixed[t]).reshape(H, K)
        f = signed(
            np.log(sigmoid(w["forget_proj.weight"] @ x[t] + w["forget_proj.bias"])), c["decay_form"], c["eigenvalues"]
        )
        ys = []
        for h in range(H):
            C[h], n[h], As[t, h] = f[h] * C[h], f[h] * n[h], f[h] * np.eye(K)
            if c["write"]:
                k = (w["key_proj.weight"] @ mixed[t]).reshape(H, K)[h] / np.sqrt(K)
                i = np.exp(w["input_proj.weight"][h] @ x[t] + w["input_proj.bias"][h])
                C[h] += i * np.outer(k, (w["value_proj.weight"] @ x[t]).reshape(H, V)[h])
                n[h] += i * k
            ys.append(C[h].T @ q[h] / max(abs(n[h] @ q[h]), 1))
        y = group_norm(np.concatenate(ys), H, w["norm.weight"], w["norm.bias"])
        outs.append(w["out_proj.weight"] @ (y * sigmoid(w["gate_proj.weight"] @ x[t])))
    return np.array(outs), As


def rwkv7(w, c, x, H, K, V):
    S, As, outs = start(w, H, K, V), np.zeros((len(x), H, K, K)), []
    for t in range(len(x)):
        before = x[t - 1] if t else np.zeros_like(x[t])
        mix = w.get("mix", np.zeros((6, len(x[t]))))
        xr, xw, xk, xv, xa, xg = (x[t] + m * (before - x[t]) for m in mix)
        r, k, v = w["r_proj.weight"] @ xr, w["k_proj.weight"] @ xk, w["v_proj.weight"] @ xv
        d = w["decay_proj.2.weight"] @ np.tanh(w["decay_proj.0.weight"] @ xw) + w["decay_proj.2.bias"]
        decay = np.exp(-np.exp(-0.5) * sigmoid(d))
        bound = 1 if c["eigenvalues"] == (0, 1) else 1 + decay
        free = 0.0
        if c["beta_form"] != "pinned":
            free = w["removal_proj.2.weight"] @ (w["removal_proj.0.weight"] @ xa) + w["removal_proj.2.bias"]
        a = bound * unit(free + np.zeros(H * K), c["beta_form"])
        kappa = (k * w["removal_scale"].reshape(-1)).reshape(H, K)
        kappa = kappa / np.linalg.norm(kappa, axis=-1, keepdims=True)
        replace = k * (1 + w["key_scale"].reshape(-1) * (a - 1)) if "key_scale" in w else k
        g = w["gate_proj.2.weight"] @ sigmoid(w["gate_proj.0.weight"] @ xg)
        r, replace, v = r.reshape(H, K), replace.reshape(H, K), v.reshape(H, V)
        ys, bonus = [], []
        for h in range(H):
            # the paper's row form: wkv (diag(w) - κᵀ (a ⊙ κ)) + vᵀ k̃, with our S = wkvᵀ
            G = np.diag(decay.reshape(H, K)[h]) - np.outer(kappa[h], a.reshape(H, K)[h] * kappa[h])
            wkv = S[h].T @ G + (np.outer(v[h], replace[h]) if c["write"] else 0)
            S[h], As[t, h] = wkv.T, G.T
            ys.append(wkv @ r[h])
            bonus.append((r[h] * w["bonus"][h] * replace[h]).sum() * v[h])
        y = group_norm(np.concatenate(ys), H, w["norm.weight"], w["norm.bias"], eps=1e-5 * V)
        outs.append(w["out_proj.weight"] @ ((y + np.concatenate(bonus)) * g))
    return np.array(outs), As


def run(name, weights, config, x, shape=None):
    """Outputs [T, D] and A [T, H, K, K] (None for what is not linear)."""
    if "delta" in name:
        assert shape is not None
        H, K, V = shape
        return delta(weights, config, x, H, K, V, config.get("num_householders", 1))
    if name in BASELINES:
        return BASELINES[name](weights, config, x), None
    return (VECTORS | globals())[name](weights, config, x, *(shape or ()))
