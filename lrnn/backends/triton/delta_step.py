"""A token through a DeltaNet layer between its projections, in one kernel: the host side of ``delta_step_kernels``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lrnn.backends.triton.launch import begins_early, processors
from lrnn.backends.triton.rows_layout import tile

LARGEST = 2**15
"""Numbers of state that a program holds, 128 in each of its threads."""

PROGRAMS = 2
"""On a processor, where a head has half as many numbers."""


def delta_step(
    q: Float[Tensor, "B HK"],
    k: Float[Tensor, "B HRK"],
    v: Float[Tensor, "B HRV"],
    tail: Float[Tensor, "B J C"],
    weight: Float[Tensor, "C size"],
    beta: Float[Tensor, "B HR"] | None,
    decay: Float[Tensor, "B H *K"] | None,
    rate: Float[Tensor, "H"] | None,
    bias: Float[Tensor, "H"] | None,
    gate: Float[Tensor, "B HV"] | None,
    norm: Float[Tensor, "V"] | None,
    state: Float[Tensor, "B H K V"],
    *,
    reflectors: int,
    beta_form: str,
    beta_bound: float,
    key_activation: str,
    value_activation: str,
    key_eps: float | None,
    normalize: bool,
    norm_eps: float,
    untouched: bool = False,
) -> Float[Tensor, "B HV"]:
    """What a layer reads of its state after this token; tail and state are overwritten.

    q, k and v are convolved with the tail and activated, q and k brought to length 1; S ← decay S, then for each
    reflector S ← (I - β k kᵀ) S + β k vᵀ; y = RMSNorm(Sᵀq) ⊙ silu(gate). There is no backward.

    Arguments:
        q, k, v: the projections, whose channels lie behind each other in tail and weight; the last axis dense.
        tail: the J = size - 1 tokens before.
        beta: before the gate of β = bound · u(beta); None for a form that has none.
        decay: what the state, or each of its rows, is multiplied by; None is 1. With a rate and a bias that is
            exp(-exp(rate) softplus(decay + bias)).
        gate, norm: None leaves them out.
        state: float32, contiguous.
        reflectors: R.
        beta_form, beta_bound: of :mod:`lrnn.layers.gates`.
        key_activation, value_activation: names of :func:`lrnn.layers.gates.activate`.
        key_eps: the least length that is divided by; None leaves q and k as they are.
        normalize: divide the β of the matrix by kᵀk.
        untouched: the kernel before this one in its stream writes neither tail nor state, so that they may be read
            while it runs.
    """
    y = q.new_empty(q.shape[0], state.shape[1] * state.shape[3])
    torch.ops.lrnn.delta_step_(
        q, k, v, weight, beta, decay, rate, bias, gate, norm, tail, state, y, reflectors, beta_form, beta_bound,
        key_activation, value_activation, -1.0 if key_eps is None else key_eps, normalize, norm_eps, untouched,
    )  # fmt: skip
    return y


def programs_at_once(size: int, device: torch.device) -> int:
    """How many programs with states of this size a GPU runs at the same time."""
    return PROGRAMS * max(1, LARGEST // 2 // size) * processors(device)


def serves(K: int, V: int) -> bool:
    """Does a head's state fit into one program?"""
    return (1 << (K - 1).bit_length()) * (1 << (V - 1).bit_length()) <= LARGEST


torch.library.define(
    "lrnn::delta_step_",
    "(Tensor q, Tensor k, Tensor v, Tensor weight, Tensor? beta, Tensor? decay, Tensor? rate, Tensor? bias, "
    "Tensor? gate, Tensor? norm, Tensor(a!) tail, Tensor(b!) state, Tensor(c!) y, int reflectors, str beta_form, "
    "float beta_bound, str key_activation, str value_activation, float key_eps, bool normalize, float norm_eps, "
    "bool untouched) -> ()",
    tags=torch.Tag.pt2_compliant_tag,
)


@torch.library.impl("lrnn::delta_step_", "CompositeExplicitAutograd")
def _delta_step(*given: Any) -> None:
    state = given[11]
    if not state.numel():
        return
    kernel, grid, arguments = launch(*given)
    with torch.cuda.device(state.device) if state.is_cuda else nullcontext():
        kernel[grid](**arguments)


@torch.library.register_fake("lrnn::delta_step_")
def _(*given: Any) -> None:
    return None


def launch(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    weight: Tensor,
    beta: Tensor | None,
    decay: Tensor | None,
    rate: Tensor | None,
    bias: Tensor | None,
    gate: Tensor | None,
    norm: Tensor | None,
    tail: Tensor,
    state: Tensor,
    y: Tensor,
    reflectors: int,
    beta_form: str,
    beta_bound: float,
    key_activation: str,
    value_activation: str,
    key_eps: float,
    normalize: bool,
    norm_eps: float,
    untouched: bool,
) -> tuple[Any, tuple[int], dict[str, Any]]:
    """The kernel for a call, its grid, and its arguments."""
    from lrnn.backends.triton.delta_step_kernels import delta_step_kernel

    B, H, K, V = state.shape
    block_k, block_v = tile(K), tile(V)
    warps, early = max(1, block_k * block_v // 4096), begins_early(state.device)
    programs = programs_at_once(block_k * block_v, state.device)
    q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
    gate = gate if gate is None or gate.stride(-1) == 1 else gate.contiguous()
    beta, decay = (None if x is None else x.contiguous() for x in (beta, decay))
    arguments = {
        "q": q, "k": k, "v": v, "tail": tail, "weight": weight.contiguous(), "beta": beta, "decay": decay,
        "rate": rate, "bias": bias, "gate": gate, "norm": norm, "state": state, "y": y,
        "stride_q": q.stride(0), "stride_k": k.stride(0), "stride_v": v.stride(0),
        "stride_gate": 0 if gate is None else gate.stride(0), "eps": norm_eps, "bound": beta_bound,
        "H": H, "heads": B * H, "K": K, "V": V, "DECAYS": K if decay is not None and decay.ndim == 3 else 1,
        "BLOCK_K": block_k, "BLOCK_V": block_v, "BLOCK": max(block_k, block_v),
        "VECTORS": 1 << (2 * reflectors).bit_length(), "R": reflectors, "SIZE": weight.shape[1],
        "KEYS": key_activation, "VALUES": value_activation, "KEY_NORM": key_eps >= 0, "KEY_EPS": max(key_eps, 0.0),
        "NORMALIZE": normalize, "FORM": beta_form, "WARPS": warps, "EARLY": early, "UNTOUCHED": untouched,
        "AGAIN": B * H > programs, "num_warps": warps,
    }  # fmt: skip
    grid = (min(B * H, programs),)
    return delta_step_kernel, grid, arguments | ({"launch_pdl": True} if early else {})
