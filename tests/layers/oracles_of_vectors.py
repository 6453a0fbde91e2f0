"""The published equations of the mixers whose state is a vector; see `tests/layers/oracles.py`."""

import math

import numpy as np

from tests.layers.oracles_of_baselines import conv, sigmoid, silu


def softplus(x):
    return np.log1p(np.exp(x))


def gelu(x):
    return np.array([value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x])


def signed(g, form, eigenvalues):
    """The decay a from the published log-decay g."""
    low = eigenvalues[0]
    middle, width = (1 + low) / 2, 1 - low
    plain = low + width * np.exp(g)
    return {
        "sigmoid": plain,
        "sharp": low + width * np.exp(10 * g),
        "clamp": np.clip(middle + 1.2 * width * (np.exp(g) - 0.5), low, 1),
        "pinned": np.where(np.exp(g) >= 0.5, 1.0, low),
    }[form]


def start(w, *shape):
    return w["initial_state"].copy() if "initial_state" in w else np.zeros(shape)


def sdssm(w, c, x, H, K, V):
    x = conv(x, w)
    s, As, outs = start(w, 1, K, 1)[0, :, 0], np.zeros((len(x), 1, K, K)), []
    for t in range(len(x)):
        z = w["select_proj.weight"] @ x[t] + w["select_proj.bias"]
        A = np.tensordot(np.exp(z) / np.exp(z).sum(), w["dictionary"], axes=1)
        for j in range(K):
            A[:, j] /= (np.abs(A[:, j]) ** c["norm_power"]).sum() ** (1 / c["norm_power"])
        s = A @ s + (w["write_proj.weight"] @ x[t] if c["write"] else 0)
        As[t, 0] = A
        y = w["norm.weight"] * (s - s.mean()) / np.sqrt(s.var() + 1e-5) + w["norm.bias"]
        outs.append(w["out_proj.weight"] @ y + w["out_proj.bias"])
    return np.array(outs), As


def pdssm(w, c, x, H, K, V):
    def hidden(name, at):
        inner = w[f"{name}.0.weight"] @ at + w[f"{name}.0.bias"]
        return w[f"{name}.2.weight"] @ gelu(inner) + w[f"{name}.2.bias"]

    x = conv(x, w)
    s, As, outs = np.zeros(K, complex), np.zeros((len(x), 1, K, K), complex), []
    if "initial_state" in w:
        first = w["initial_state"].reshape(K, -1)
        s = first[:, 0] + (1j * first[:, 1] if first.shape[1] == 2 else 0)
    for t in range(len(x)):
        z = w["select_proj.weight"] @ x[t]
        M = np.tensordot(np.exp(z) / np.exp(z).sum(), w["dictionary"], axes=1)
        d = np.ones(K, complex)
        if c["diagonal"] != "identity":
            wide = (-1, 1) if c["diagonal"] == "signed" else (0, 1)
            d = d * signed(np.log(sigmoid(hidden("magnitude", x[t]))), c["decay_form"], wide)
        if c["diagonal"] == "complex":
            d = d * np.exp(2j * np.pi * sigmoid(hidden("phase", x[t])))
        for j in range(K):
            As[t, 0, np.argmax(M[:, j]), j] = d[j]
        s = As[t, 0] @ s
        if c["write"]:
            wrote = w["write_proj.weight"] @ x[t]
            s = s + wrote[:K] + (1j * wrote[K:] if len(wrote) > K else 0)
        read = np.concatenate([s.real, s.imag]) if c["diagonal"] == "complex" else s.real
        outs.append(w["out_proj.weight"] @ read + w["out_proj.bias"] + w["D"] * x[t])
    return np.array(outs), As if c["diagonal"] == "complex" else np.real(As)


def lru(w, c, x, H, K, V):
    u = conv(x, w)
    B = w["in_proj.weight"][:H] + 1j * w["in_proj.weight"][H:]
    C = w["out_proj.weight"][:, :H] - 1j * w["out_proj.weight"][:, H:]
    eigenvalue = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
    s = np.zeros(H, complex)
    if "initial_state" in w:
        s = w["initial_state"][:, 0, 0, 0] + 1j * w["initial_state"][:, 0, 0, 1]
    outs = []
    for t in range(len(x)):
        s = eigenvalue * s + np.exp(w["gamma_log"]) * (B @ u[t])
        outs.append((C @ s).real + w["D"] * u[t])
    return np.array(outs), np.broadcast_to(eigenvalue[:, None, None], (len(x), H, 1, 1))


def aussm(w, c, x, H, K, V):
    u = conv(x @ w["in_proj.weight"].T, w)
    B = w["B"][:, 0] + 1j * w["B"][:, 1] if c["write"] else None
    C = w["C"][:, 0] + 1j * w["C"][:, 1]
    s, As, outs = np.zeros((H, K), complex), np.zeros((len(x), H, K, K), complex), []
    if "initial_state" in w:
        s = w["initial_state"][:, :, 0, 0] + 1j * w["initial_state"][:, :, 0, 1]
    for t in range(len(x)):
        phase = (w["phase_proj.weight"] @ u[t] + w["phase_proj.bias"]).reshape(H, K)
        if m := c["num_angles"]:
            phase = np.round(phase * m / (2 * np.pi)) * 2 * np.pi / m
        y = np.zeros(H)
        for h in range(H):
            As[t, h] = np.diag(np.exp(1j * phase[h]))
            s[h] = As[t, h] @ s[h]
            if c["write"]:
                z = w["dt_proj.1.weight"][h] @ (w["dt_proj.0.weight"] @ u[t]) + w["dt_proj.1.bias"][h]
                s[h] = s[h] + softplus(z) * B * silu(u[t, h])
            y[h] = (C * s[h]).sum().real + w["D"][h] * silu(u[t, h])
        if c["output_gate"]:
            y = y * silu(w["gate_proj.weight"] @ x[t])
        outs.append(w["out_proj.weight"] @ y)
    return np.array(outs), As


VECTORS = {"sdssm": sdssm, "pdssm": pdssm, "lru": lru, "aussm": aussm}
