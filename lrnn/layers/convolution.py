"""A short convolution lets a token see the few tokens before it."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import ConvPlace
from lrnn.layers.gates import precise
from lrnn.layers.words import ends, last, lengths_of, pack, positions, unpack
from lrnn.recurrence import Packing
from lrnn.recurrence.kernels import kernels_run_on

KERNEL_DTYPES = {torch.float32, torch.bfloat16, torch.float16}


class ShortConvolution(nn.Module):
    """y_t = Σ_{j<size} w_j ⊙ x_{t-j} (+ bias), each channel by itself, x_t = 0 before the word's start.

    The last ``size - 1`` inputs are handed on as the tail, so that a word cut anywhere gives the same outputs, and
    with packing no word sees the one before it.

    Source: Fu et al., "Hungry Hungry Hippos", arXiv 2212.14052, §3; weights start uniform in ±1/√size, as PyTorch's
    convolutions do.

    >>> convolution = ShortConvolution(channels=1, size=2)
    >>> _ = torch.nn.init.ones_(convolution.weight)
    >>> y, tail = convolution(torch.tensor([[[1.0], [2.0], [3.0]]]))
    >>> y.flatten(), tail.flatten()
    (tensor([1., 3., 5.], grad_fn=...), tensor([3.]))
    """

    def __init__(self, channels: int, size: int, bias: bool = False) -> None:
        super().__init__()
        self.size = size
        bound = size**-0.5
        self.weight = nn.Parameter(torch.rand(channels, size) * 2 * bound - bound)
        self.bias = nn.Parameter(torch.rand(channels) * 2 * bound - bound) if bias else None

    def forward(
        self, x: Float[Tensor, "B T C"], tail: Float[Tensor, "N J C"] | None = None, packing: Packing | None = None
    ) -> tuple[Float[Tensor, "B T C"], Float[Tensor, "N J C"]]:
        """The convolved inputs and the tail; J = size - 1, N = B or the number of packed words."""
        (y,), tail = self.over([x], tail, packing)
        return y, tail

    def over(
        self, parts: list[Tensor], tail: Float[Tensor, "N J C"] | None = None, packing: Packing | None = None
    ) -> tuple[list[Tensor], Float[Tensor, "N J C"]]:
        """The same of channels that lie in several tensors."""
        widths = [part.shape[-1] for part in parts]
        if self._on_kernel(parts[0], tail, packing):
            return self._by_kernel(parts, widths, tail, packing)
        x = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        if packing is None:
            window, tail = with_tail(x, tail, self.size - 1)
            y = self.slide(window)
        else:
            rows = unpack(x, packing)
            window, _ = with_tail(rows, tail, self.size - 1)
            last = lengths_of(packing, x.device)[:, None] + torch.arange(self.size - 1, device=x.device)
            tail = window.take_along_dim(last[..., None], dim=1)
            y = pack(self.slide(window), packing)
        return list(y.split(widths, dim=-1)), tail

    def _on_kernel(self, x: Tensor, tail: Tensor | None, packing: Packing | None) -> bool:
        """A step, and packed words with something before them, are left to PyTorch."""
        dtypes = {x.dtype, self.weight.dtype}
        few = x.shape[1] == 1 or (packing is not None and tail is not None)
        return not few and dtypes <= KERNEL_DTYPES and kernels_run_on(x.device)

    def _by_kernel(
        self, parts: list[Tensor], widths: list[int], tail: Tensor | None, packing: Packing | None
    ) -> tuple[list[Tensor], Tensor]:
        from lrnn.backends.triton.convolution import convolve

        if tail is not None:
            check_tail(tail, (parts[0].shape[0], self.size - 1, sum(widths)))
        biases = [None] * len(parts) if self.bias is None else self.bias.split(widths)
        tails = [None] * len(parts) if tail is None else tail.to(parts[0].dtype).split(widths, dim=-1)
        position = None if packing is None else positions(packing, parts[0].device)
        given = zip(parts, self.weight.split(widths), biases, tails, strict=True)
        ys, rests = zip(*(convolve(*each, position) for each in given), strict=True)
        if packing is not None:
            rests = [ends(part, packing, self.size - 1) for part in parts]
        return list(ys), torch.cat(rests, dim=-1)

    def slide(self, window: Float[Tensor, "N JT C"]) -> Float[Tensor, "N T C"]:
        """The outputs at every position that has size - 1 predecessors in the window."""
        if window.shape[1] == self.size:  # one token: no convolution set up, and sums that a compiler can fuse
            weight = precise(self.weight.to(window.dtype)).flip(-1).mT
            y = (precise(window) * weight).sum(1, keepdim=True).to(window.dtype)
            return y if self.bias is None else y + self.bias
        return F.conv1d(window.mT, self.weight.flip(-1)[:, None], self.bias, groups=len(self.weight)).mT


class Projected(NamedTuple):
    """What a mixer computes its state from."""

    x: Tensor
    """[B, T, D], convolved if the place is "input"."""
    parts: list[Tensor]
    """[B, T, ·], one per projection, convolved if the place is "qkv"."""
    tail: tuple[Tensor, ...] | None


def project(
    x: Float[Tensor, "B T D"],
    projs: nn.ModuleList,
    convolution: ShortConvolution | None,
    place: ConvPlace,
    tail: tuple[Tensor, ...] | None = None,
    packing: Packing | None = None,
) -> Projected:
    """x through every projection, with the convolution behind the projections ("qkv") or before them ("input")."""
    if convolution is None:
        return Projected(x, [proj(x) for proj in projs], tail)
    before = tail[0] if tail else None
    if place == "input":
        x, rest = convolution(x, before, packing)
        return Projected(x, [proj(x) for proj in projs], (rest,))
    parts = [proj(x) for proj in projs]
    parts, rest = convolution.over(parts, before, packing)
    return Projected(x, parts, (rest,))


def with_tail(
    x: Float[Tensor, "N T C"], tail: Float[Tensor, "N J C"] | None, size: int
) -> tuple[Float[Tensor, "N JT C"], Float[Tensor, "N J C"]]:
    """x behind its tail (zeros at the start of a word), and the tail that x leaves."""
    if tail is None:
        tail = x.new_zeros(x.shape[0], size, x.shape[2])
    check_tail(tail, (x.shape[0], size, x.shape[2]))
    window = torch.cat([tail.to(x.dtype), x], dim=1)
    return window, window[:, x.shape[1] :].clone()  # a view would keep the whole word alive


def check_tail(tail: Tensor, wanted: tuple[int, ...]) -> None:
    """Raise ValueError where a tail has another shape."""
    if tuple(tail.shape) != wanted:
        raise ValueError(
            f"the tail in state has shape {tuple(tail.shape)}, wanted {wanted}: "
            "is it the state of another mixer, another batch or another packing?"
        )


def previous(
    x: Float[Tensor, "B T C"], tail: Float[Tensor, "N 1 C"] | None = None, packing: Packing | None = None
) -> tuple[Float[Tensor, "B T C"], Float[Tensor, "N 1 C"]]:
    """x_{t-1} at every t (0 at the start of a word), and the last x as the tail: the token shift of RWKV."""
    window, rest = with_tail(x if packing is None else unpack(x, packing), tail, 1)
    if packing is None:
        return window[:, :-1], rest
    return pack(window[:, :-1], packing), last(window[:, 1:], packing)[:, None]
