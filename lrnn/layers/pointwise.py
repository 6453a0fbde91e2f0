"""What happens to rows by themselves, between projections and recurrence: in one kernel each, where there is one.

A compiler joins the operations of PyTorch with what lies around them, so it is left to do so.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Activation
from lrnn.layers.convolution import KERNEL_DTYPES
from lrnn.layers.gates import activate
from lrnn.layers.mixer import normed
from lrnn.recurrence.kernels import kernels_run_on


def activated_rows(
    x: Float[Tensor, "... W"],
    activation: Activation,
    eps: float | None = None,
    scale: Float[Tensor, "..."] | None = None,
) -> Float[Tensor, "... W"]:
    """scale · a / max(|a|, eps) for a = act(x), in the dtype of x; without eps of whatever length, without scale of 1.

    >>> activated_rows(torch.tensor([[3.0, -1.0, 4.0]]), "relu", eps=1e-6, scale=torch.tensor([10.0]))
    tensor([[6., 0., 8.]])
    """
    if _by_kernel(x, scale):
        from lrnn.backends.triton.pointwise import activate_rows

        return activate_rows(x, scale, activation, eps)
    dtype, x = x.dtype, activate(x, activation)
    if eps is not None:
        x = F.normalize(x, dim=-1, eps=eps)
    # back to the dtype: a GPU's autocast computes the norm, and so the quotient, in float32
    return (x if scale is None else scale[..., None] * x).to(dtype)


def read_out(
    norm: nn.RMSNorm | None, y: Float[Tensor, "B T H V"], gate: Float[Tensor, "B T HV"] | None
) -> Float[Tensor, "B T HV"]:
    """norm(y) ⊙ silu(gate), each head by itself; what is None is left out.

    >>> read_out(nn.RMSNorm(2), torch.tensor([[[[3.0, 3.0]]]]), torch.tensor([[[100.0, 0.0]]])).detach()
    tensor([[[100., 0.]]])
    """
    if norm is not None and norm.eps is not None and _by_kernel(y, norm.weight, gate):
        from lrnn.backends.triton.pointwise import gated_norm

        opening = None if gate is None else gate.unflatten(-1, y.shape[-2:])
        return gated_norm(y, norm.weight, opening, norm.eps).flatten(-2)
    y = normed(norm, y).flatten(-2)
    return y if gate is None else y * F.silu(gate)


def _by_kernel(x: Tensor, *others: Tensor | None) -> bool:
    if torch.compiler.is_compiling() or not kernels_run_on(x.device):
        return False
    from lrnn.backends.triton.pointwise import WIDEST

    return x.shape[-1] <= WIDEST and {y.dtype for y in (x, *others) if y is not None} <= KERNEL_DTYPES
