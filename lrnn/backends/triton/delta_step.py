"""A token through a DeltaNet layer between its projections, in one kernel: the host side of ``delta_step_kernels``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

LARGEST = 2**15
"""Numbers of state that a program holds, 64 in each of its threads."""

REGISTERS = 128
"""Of a thread: a head of 128 × 128 leaves room for another one on its processor, whose state arrives meanwhile."""


def delta_step(
    q: Float[Tensor, "B HK"],
    k: Float[Tensor, "B HRK"],
    v: Float[Tensor, "B HRV"],
    tail: Float[Tensor, "B J C"],
    weight: Float[Tensor, "C size"],
    beta: Float[Tensor, "B H R"],
    decay: Float[Tensor, "B H *K"] | None,
    gate: Float[Tensor, "B HV"] | None,
    norm: Float[Tensor, "V"] | None,
    state: Float[Tensor, "B H K V"],
    *,
    key_activation: str,
    value_activation: str,
    key_eps: float | None,
    normalize: bool,
    norm_eps: float,
) -> Float[Tensor, "B HV"]:
    """What a layer reads of its state after this token; tail and state are overwritten.

    q, k and v are convolved with the tail and activated, q and k brought to length 1; S ← decay S, then for each
    reflector S ← (I - β k kᵀ) S + β k vᵀ; y = RMSNorm(Sᵀq) ⊙ silu(gate). There is no backward.

    Arguments:
        q, k, v: the projections, whose channels lie behind each other in tail and weight; the last axis dense.
        tail: the J = size - 1 tokens before.
        beta: in [0, 2], float32.
        decay: what the state, or each of its rows, is multiplied by, float32; None is 1.
        gate, norm: None leaves them out.
        state: float32, contiguous.
        key_activation, value_activation: names of :func:`lrnn.layers.gates.activate`.
        key_eps: the least length that is divided by; None leaves q and k as they are.
        normalize: divide the β of the matrix by kᵀk.
    """
    y = q.new_empty(q.shape[0], state.shape[1] * state.shape[3])
    eps = -1.0 if key_eps is None else key_eps
    tensors = (q, k, v, weight, beta, decay, gate, norm)
    torch.ops.lrnn.delta_step_(*tensors, tail, state, y, key_activation, value_activation, eps, normalize, norm_eps)
    return y


def serves(K: int, V: int) -> bool:
    """Does a head's state fit into one program?"""
    return (1 << (K - 1).bit_length()) * (1 << (V - 1).bit_length()) <= LARGEST


torch.library.define(
    "lrnn::delta_step_",
    "(Tensor q, Tensor k, Tensor v, Tensor weight, Tensor beta, Tensor? decay, Tensor? gate, Tensor? norm, "
    "Tensor(a!) tail, Tensor(b!) state, Tensor(c!) y, str key_activation, str value_activation, float key_eps, "
    "bool normalize, float norm_eps) -> ()",
    tags=torch.Tag.pt2_compliant_tag,
)


@torch.library.impl("lrnn::delta_step_", "CompositeExplicitAutograd")
def _delta_step(*given: Any) -> None:
    state = given[9]
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
    beta: Tensor,
    decay: Tensor | None,
    gate: Tensor | None,
    norm: Tensor | None,
    tail: Tensor,
    state: Tensor,
    y: Tensor,
    key_activation: str,
    value_activation: str,
    key_eps: float,
    normalize: bool,
    norm_eps: float,
) -> tuple[Any, tuple[int, int], dict[str, Any]]:
    """The kernel for a call, its grid, and its arguments."""
    from lrnn.backends.triton.delta_step_kernels import delta_step_kernel

    B, H, K, V = state.shape
    block_k, block_v = max(16, 1 << (K - 1).bit_length()), max(16, 1 << (V - 1).bit_length())
    q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
    gate = gate if gate is None or gate.stride(-1) == 1 else gate.contiguous()
    arguments = {
        "q": q, "k": k, "v": v, "tail": tail, "weight": weight.contiguous(), "beta": beta.contiguous(),
        "decay": None if decay is None else decay.contiguous(), "gate": gate, "norm": norm, "state": state, "y": y,
        "stride_q": q.stride(0), "stride_k": k.stride(0), "stride_v": v.stride(0),
        "stride_gate": 0 if gate is None else gate.stride(0), "eps": norm_eps, "H": H, "K": K, "V": V,
        "DECAYS": K if decay is not None and decay.ndim == 3 else 1,
        "BLOCK_K": block_k, "BLOCK_V": block_v, "R": beta.shape[2], "SIZE": weight.shape[1],
        "KEYS": key_activation, "VALUES": value_activation, "KEY_NORM": key_eps >= 0, "KEY_EPS": max(key_eps, 0.0),
        "NORMALIZE": normalize, "num_warps": max(1, min(16, block_k * block_v // 2048)), "maxnreg": REGISTERS,
    }  # fmt: skip
    return delta_step_kernel, (H, B), arguments
