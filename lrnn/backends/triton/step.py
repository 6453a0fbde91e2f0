"""One fused step of decoding: the state is read once, taken through a few tokens and written once.

Shapes: N words · T tokens · G key heads, which divide the H heads · R reflectors or rank · K state rows · V state
columns.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

PER_WARP = 2048
"""Numbers of state that a warp holds, 64 registers in every thread: as much in flight as fits."""

SMALL, LARGE, MANY = 2048, 4096, 2**23
"""Numbers of state in a tile; LARGE, where keys are read for twice as many columns, from so many numbers of state on.
On an H200, of B words with 16 heads of 128 × 128 and two reflectors: 2.3 µs with SMALL for B = 1 where half of that
took 3.0 µs, and 39.8 µs with LARGE for B = 64 where SMALL took 40.9 µs."""

COMPLEX, ONE_COLUMN = 1024, 256
"""Numbers of state in a tile where they are complex, and where every one comes with its own decay and keys."""

FEWEST = 4
"""State columns in a tile, if there are so many: 16 bytes of each state row."""

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def step(
    q: Shaped[Tensor, "N T G K"],
    k: Shaped[Tensor, "N T G *R K"],
    v: Shaped[Tensor, "N T H *R V"],
    state: Shaped[Tensor, "N H K V"],
    *,
    reflector: Float[Tensor, "N T G R K"] | None = None,
    beta: Float[Tensor, "N T H R"] | None = None,
    a: Float[Tensor, "N T G R K"] | None = None,
    b: Float[Tensor, "N T G R K"] | None = None,
    log_decay: Float[Tensor, "N T H *K"] | None = None,
    sign: Float[Tensor, "N T H *K"] | None = None,
    phase: Float[Tensor, "N T H *K"] | None = None,
    normalize: bool = False,
    overwrite: bool = False,
    out: Shaped[Tensor, "N T H V"] | None = None,
) -> tuple[Shaped[Tensor, "N T H V"], Shaped[Tensor, "N H K V"]]:
    """y and S_T of S_t = A_t S_{t-1} + W_t, y_t = S_tᵀ q_t, one token after the other inside one kernel.

    A_t is D_t, or with ``beta`` (I - β_R k_R k_Rᵀ) … (I - β_1 k_1 k_1ᵀ) D_t with write j right after reflector j, or
    with ``a`` and ``b`` D_t + Σ a_r b_rᵀ, where D_t = sign · exp(log_decay + i·phase).

    Every tensor may have its own dtype among float32, bfloat16 and float16, and any strides; nothing is copied. The
    arithmetic is float32. There is no backward. Nothing waits for the GPU, and with ``overwrite`` and ``out`` nothing
    is allocated, so a step can be captured in a CUDA graph.

    Arguments:
        q, k, v: read key, write key, value; k and v with the axis R if beta is given. Heads h·G//H share a key.
        state: S_0, float32; complex64 if phase is given or one of q, k and v is complex.
        reflector: the directions of the reflectors if they are not the write keys.
        beta: in [0, 2]. Not together with a and b, nor with a complex state.
        a, b: any numbers; both or none.
        log_decay: natural logarithm, <= 0, one number per head or per state row; None is no decay.
        sign: -1, 0 or +1, of the shape of log_decay; 0 is a reset.
        phase: in radians, of the shape of log_decay.
        normalize: divide beta by the square of the reflector's length; a reflector of length 0 is then the identity.
        overwrite: write S_T into ``state`` and return that tensor.
        out: where y is to be written, contiguous; None allocates it, in the dtype of v (complex64 for complex states).

    Raises:
        ValueError, TypeError: what cannot be combined, and dtypes other than these.

    Source: the recurrences are those of :class:`lrnn.Householder`, :class:`lrnn.DPLR` and :class:`lrnn.Diagonal`.
    """
    given = Given(q, k, v, reflector, beta, a, b, log_decay, sign, phase)
    _check(given, state)
    if overwrite and state.is_contiguous():
        y = _empty_y(given, state) if out is None else out
        torch.ops.lrnn.step_(*given, state, y, normalize)
        return y, state
    y, final = torch.ops.lrnn.step(*given, state, normalize)
    return y if out is None else out.copy_(y), state.copy_(final) if overwrite else final


class Given(NamedTuple):
    """What a step reads besides the state; see :func:`step`."""

    q: Tensor
    k: Tensor
    v: Tensor
    reflector: Tensor | None
    beta: Tensor | None
    a: Tensor | None
    b: Tensor | None
    log_decay: Tensor | None
    sign: Tensor | None
    phase: Tensor | None


def _check(given: Given, state: Tensor) -> None:
    """Raise for what the shapes on the signature cannot say."""
    q, k, v, reflector, beta, a, b, log_decay, sign, phase = given
    heads, groups = state.shape[1], q.shape[2]
    complex_input = q.is_complex() or k.is_complex() or v.is_complex()
    shape = None if log_decay is None else log_decay.shape
    wrong = {
        f"{groups} key heads for {heads} heads": bool(heads and (not groups or heads % groups)),
        "beta together with a and b": beta is not None and (a is not None or b is not None),
        "one of a and b without the other": (a is None) != (b is None),
        "reflector without beta": reflector is not None and beta is None,
        "sign or phase of another shape than log_decay": any(x is not None and x.shape != shape for x in (sign, phase)),
        "a complex state with beta, a or b": state.is_complex() and (beta is not None or a is not None),
        "a phase with a real state": phase is not None and not state.is_complex(),
        "complex q, k or v with a real state": complex_input and not state.is_complex(),
    }
    if any(wrong.values()):
        raise ValueError("a step cannot take " + "; ".join(fault for fault, found in wrong.items() if found))
    if state.dtype not in (torch.float32, torch.complex64):
        raise TypeError(f"state has dtype {state.dtype}, wanted torch.float32 or torch.complex64")
    for name, tensor in given._asdict().items():
        legal = (*DTYPES, torch.complex64) if name in ("q", "k", "v") else DTYPES
        if tensor is not None and tensor.dtype not in legal:
            raise TypeError(f"{name} has dtype {tensor.dtype}, wanted one of {', '.join(map(str, legal))}")


def _empty_y(given: Given, state: Tensor) -> Tensor:
    shape = (*given.q.shape[:2], state.shape[1], state.shape[3])
    return given.v.new_empty(shape, dtype=torch.complex64 if state.is_complex() else given.v.dtype)


READ = ", ".join(f"Tensor{'?' * (name not in ('q', 'k', 'v'))} {name}" for name in Given._fields)
EVERYWHERE = "CompositeExplicitAutograd"  # one implementation for every device, and no gradient

torch.library.define(
    "lrnn::step", f"({READ}, Tensor state, bool normalize) -> (Tensor, Tensor)", tags=torch.Tag.pt2_compliant_tag
)
torch.library.define(
    "lrnn::step_", f"({READ}, Tensor(a!) state, Tensor(b!) y, bool normalize) -> ()", tags=torch.Tag.pt2_compliant_tag
)


@torch.library.impl("lrnn::step", EVERYWHERE)
def _step(*arguments: Any) -> tuple[Tensor, Tensor]:
    *read, state, normalize = arguments
    given, state = Given(*read), state.contiguous()
    y, final = _empty_y(given, state), torch.empty_like(state)
    _run(given, state, final, y, normalize)
    return y, final


@torch.library.register_fake("lrnn::step")
def _fake_step(*arguments: Any) -> tuple[Tensor, Tensor]:
    *read, state, _ = arguments
    return _empty_y(Given(*read), state), state.new_empty(state.shape)


@torch.library.impl("lrnn::step_", EVERYWHERE)
def _step_(*arguments: Any) -> None:
    *read, state, y, normalize = arguments
    _run(Given(*read), state, state, y, normalize)


@torch.library.register_fake("lrnn::step_")
def _fake_step_(*arguments: Any) -> None:
    return None


def _run(given: Given, state: Tensor, final: Tensor, y: Tensor, normalize: bool) -> None:
    """Launch what :func:`launch` says; state and final are contiguous, and may be one tensor."""
    if not given.q.shape[1] or not state.numel():
        if final is not state:
            final.copy_(state)
        return
    kernel, programs, arguments = launch(given, state, final, y, normalize)
    with torch.cuda.device(state.device) if state.is_cuda else nullcontext():
        kernel[(programs,)](**arguments)


def launch(given: Given, state: Tensor, final: Tensor, y: Tensor, normalize: bool) -> tuple[Any, int, dict[str, Any]]:
    """The kernel for a call, how many programs of it, and its arguments."""
    from lrnn.backends.triton.step_kernels import diagonal_step_kernel, matrix_step_kernel

    N, H, K, V = state.shape
    block_k, columns = 1 << (K - 1).bit_length(), 1 << (V - 1).bit_length()
    tensors = {name: _with_strides(tensor) for name, tensor in (given._asdict() | {"y": y}).items()}
    arguments = {
        "state": torch.view_as_real(state) if state.is_complex() else state,
        "final": torch.view_as_real(final) if state.is_complex() else final,
        "T": given.q.shape[1],
        "H": H,
        "heads_per_key": H // given.q.shape[2],
        "K": K,
        "V": V,
        "BLOCK_K": block_k,
    }
    diagonal = given.beta is None and given.a is None and (state.is_complex() or V == 1)
    wanted = LARGE if state.numel() >= MANY else SMALL
    if diagonal:
        wanted = ONE_COLUMN if V == 1 else COMPLEX
    block_v = min(columns, max(FEWEST, wanted // block_k))
    block_h = min(1 << (H - 1).bit_length(), max(1, wanted // (block_k * block_v))) if diagonal else 1
    arguments |= {"BLOCK_V": block_v, "num_warps": max(1, min(8, block_h * block_k * block_v // PER_WARP))}
    programs = N * -(-H // block_h) * -(-V // block_v)
    if diagonal:
        kernel, own = diagonal_step_kernel, {"COMPLEX": state.is_complex(), "BLOCK_H": block_h}
        used = ("q", "k", "v", "log_decay", "sign", "phase", "y")
    else:
        R = given.beta.shape[3] if given.beta is not None else 0 if given.a is None else given.a.shape[3]
        kernel, own = matrix_step_kernel, {"NORMALIZE": normalize, "R": R}
        used = tuple(name for name in tensors if name != "phase")
    return kernel, programs, {name: tensors[name] for name in used} | arguments | own


def _with_strides(tensor: Tensor | None) -> tuple[Any, ...] | None:
    """A tensor and its strides; a complex one as pairs of real numbers."""
    if tensor is None:
        return None
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor, *tensor.stride()
