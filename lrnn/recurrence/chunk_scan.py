"""The chunked algorithm for everything that is diagonal plus low rank, forward and backward by hand.

M chunk rows (chunks × heads) · C steps · L = C·r micro-rows · K, V. Micro-row j has a key and takes part in the state as
key_j u_jᵀ. With running decays P inside a chunk and the chunk's first state S₀,

    S_t = P_t S₀ + Σ_{j ≤ t} (P_t / P_j) key_j u_jᵀ          u_i = v_i + b_iᵀ (state just before row i)

so u solves one unit lower-triangular system,

    (I - N) u = v + b̂ S₀      N_ij = Σ_k b_ik key_jk (P_i / P_j)_k  for j before i,      b̂ = b P

and with T = (I - N)⁻¹, W = T b̂:   u = T v + W S₀,   y = q̂ S₀ + (Q∘w) u,   S_C = P_C S₀ + k̃ᵀ u.

A reflector is b = -β k; a plain write is b = 0; without any b (Scalar, Diagonal) u = v and nothing is solved.

Source: Bischof & Van Loan, "The WY Representation for Products of Householder Matrices", 1987; Yang et al., arXiv
2406.06484, §3; written here for every structure at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrnn.recurrence.chunk_decay import DiagonalWeights, Exponents, PlainWeights, ScalarWeights, Weights


class Shape(NamedTuple):
    """What is not a tensor."""

    alive: tuple[int, ...]
    """Rows (words × heads) that have a chunk of depth d."""
    rows_per_step: int
    """r, micro-rows in a step; a read sees all of its own step."""
    group: int
    """This many consecutive micro-rows act at once: they do not see each other."""
    sees_own_decay: bool
    """Does b_i meet the state after the decay of its own step (a reflector) or before it (DPLR)?"""


def chunk_scan(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    resets: Tensor | None,
    state: Tensor,
    shape: Shape,
) -> tuple[Tensor, Tensor]:
    """Outputs ``[M, C, V]`` and final states from ``q [M, C, K]``, ``key``, ``b`` ``[M, L, K]``, ``v [M, L, V]``.

    Arguments:
        log_decay: ``[M, C]`` or ``[M, C, K]`` or None, <= 0.
        resets: as log_decay, True where the decay is exactly 0, or None.
        state: first states of the rows, ``[alive[0], K, V]``.
    """
    g = None if log_decay is None else log_decay.to(torch.float64).cumsum(1)
    z = None if resets is None else resets.cumsum(1)
    y, final, *_ = ChunkScan.apply(q, key, b, v, g, z, state, shape)  # type: ignore[misc]
    return y, final


class ChunkScan(torch.autograd.Function):
    """:func:`chunk_scan` with its backward; the states between chunks and the solved rows are kept, T·(K·V/C + V)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        q: Tensor,
        key: Tensor,
        b: Tensor | None,
        v: Tensor,
        g: Tensor | None,
        z: Tensor | None,
        state: Tensor,
        shape: Shape,
    ) -> tuple[Tensor, ...]:
        decay = Decay(g, z, q, key, shape)
        read = decay.read_weights().product(q, key)
        q_hat, key_end, carry = decay.since_start(q), decay.until_end(key), decay.whole()
        if b is None:
            inverse = W = key[:0]
            u = v
        else:
            N = decay.solve_weights().product(b, key)
            inverse = invert_unit_lower(N)
            W = inverse @ decay.since_start_micro(b)
            u = inverse @ v

        starts, solved, finals, first = [], [], [], 0
        for alive in shape.alive:
            rows = slice(first, first + alive)
            first += alive
            if alive < state.shape[0]:
                finals.append(state[alive:])
                state = state[:alive]
            starts.append(state)
            new = u[rows]
            if b is not None:
                new = torch.baddbmm(new, W[rows], state)
                solved.append(new)
            kept = state if carry is None else state * carry[rows]
            state = torch.baddbmm(kept, key_end[rows].mT, new)
        final = torch.cat([state, *reversed(finals)]) if finals else state
        start = torch.cat(starts)
        if b is not None:
            u = torch.cat(solved)
        y = torch.baddbmm(q_hat @ start, read, u)
        return y, final, read, inverse, W, u.clone() if b is None else u, start

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        *tensors, ctx.shape = inputs
        _, _, *kept = output
        ctx.mark_non_differentiable(*kept)
        ctx.save_for_backward(*tensors, *kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, key, b, v, g, z, _, read, inverse, W, u, start = ctx.saved_tensors
        dy, dstate = gradients[:2]
        shape: Shape = ctx.shape
        decay = Decay(g, z, q, key, shape)
        q_hat, key_end, carry = decay.since_start(q), decay.until_end(key), decay.whole()

        # the states' gradients, from the last chunk to the first
        du_read, dstart_read = read.mH @ dy, q_hat.mH @ dy
        key_end_conj, W_adjoint = key_end.conj(), W.mH
        dfinal, first = dstate, start.shape[0]
        dstate = dfinal[: shape.alive[-1]]
        du_parts, dstate_parts = [], []
        for alive in reversed(shape.alive):
            rows = slice(first - alive, first)
            first -= alive
            if alive > dstate.shape[0]:
                dstate = torch.cat([dstate, dfinal[dstate.shape[0] : alive]])
            du = torch.baddbmm(du_read[rows], key_end_conj[rows], dstate)
            du_parts.append(du)
            dstate_parts.append(dstate)
            kept = dstart_read[rows] + (dstate if carry is None else dstate * carry[rows])
            dstate = kept if b is None else torch.baddbmm(kept, W_adjoint[rows], du)
        if dfinal.shape[0] > dstate.shape[0]:
            dstate = torch.cat([dstate, dfinal[dstate.shape[0] :]])
        du, dend = torch.cat(du_parts[::-1]), torch.cat(dstate_parts[::-1])

        # everything else, all chunks at once
        dq, dkey = decay.read_weights().gradients(dy @ u.mH, q, key)
        dq = dq + decay.since_start(dy @ start.mH)
        dkey_end = u.conj() @ dend.mT
        dkey = dkey + decay.until_end(dkey_end)
        db, dv = None, du
        if b is not None:
            dv = inverse.mH @ du
            db, dkey_solve = decay.solve_weights().gradients(dv @ u.mH, b, key)
            db = db + decay.since_start_micro(dv @ start.mH)
            dkey = dkey + dkey_solve
        dg = None
        if g is not None:
            # every weight is exp(g_i - g_j), so a row that multiplies exp(g_i) sends Σ x·dx to g_i, and -Σ for exp(-g_j)
            flat = g.ndim == 2
            dg = decay.per_step(_inner(q, dq, flat), -_inner(key, dkey, flat))
            if b is not None:
                dg = dg + decay.per_step_solve(_inner(b, db, flat))
            last = _inner(key, decay.until_end(dkey_end), flat).sum(1)
            last = last + carry_gradient(start, dend, carry, flat)
            dg = dg + torch.nn.functional.pad(last[:, None], (0, 0) * (g.ndim - 2) + (g.shape[1] - 1, 0))
            dg = dg.to(g.dtype)
        return dq, dkey, db, dv, dg, None, dstate, None


class Decay:
    """The decays of all chunks, in the shapes in which they meet the rows."""

    def __init__(self, g: Tensor | None, z: Tensor | None, q: Tensor, key: Tensor, shape: Shape) -> None:
        self.shape, self.flat = shape, g is not None and g.ndim == 2
        self.dtype = q.dtype.to_real()
        C, L, device = q.shape[1], key.shape[1], q.device
        step, group = torch.arange(C, device=device), torch.arange(L, device=device) // shape.group
        self.read_sees = step[:, None] >= (torch.arange(L, device=device) // shape.rows_per_step)[None]
        self.solve_sees = group[:, None] > group[None]
        self.steps = self.micro = self.solve = None
        if g is None:
            return
        self.steps = self.micro = Exponents.of(g, z, self.dtype)
        if shape.rows_per_step > 1:
            self.micro = self._repeat(self.steps)
        self.solve = self.micro
        if not shape.sees_own_decay:
            before = (torch.cat([torch.zeros_like(part[:, :1]), part[:, :-1]], dim=1) for part in self.steps.parts)
            self.solve = self._repeat(Exponents(tuple(before)))

    def _repeat(self, exponents: Exponents) -> Exponents:
        return Exponents(tuple(part.repeat_interleave(self.shape.rows_per_step, dim=1) for part in exponents.parts))

    def read_weights(self) -> Weights:
        """From key rows to reads."""
        if self.steps is None or self.micro is None:
            return PlainWeights(self.read_sees, self.dtype)
        if self.flat:
            return ScalarWeights(self.steps, self.micro, self.read_sees)
        return DiagonalWeights(self.steps, self.micro, self.steps, self.read_sees, (1, self.shape.rows_per_step))

    def solve_weights(self) -> Weights:
        """From key rows to later micro-rows."""
        if self.steps is None or self.micro is None or self.solve is None:
            return PlainWeights(self.solve_sees, self.dtype)
        if self.flat:
            return ScalarWeights(self.solve, self.micro, self.solve_sees)
        rows = self.shape.rows_per_step
        return DiagonalWeights(self.solve, self.micro, self.steps, self.solve_sees, (rows, rows))

    def since_start(self, x: Tensor) -> Tensor:
        """x ∘ exp(g), rows of steps."""
        return x if self.steps is None else x * self._factor(self.steps)

    def since_start_micro(self, x: Tensor) -> Tensor:
        """x ∘ exp(g) as b meets it."""
        return x if self.solve is None else x * self._factor(self.solve)

    def until_end(self, x: Tensor) -> Tensor:
        """x ∘ exp(g_C - g), micro-rows."""
        if self.steps is None or self.micro is None:
            return x
        weight = self.steps.rows(slice(-1, None)).minus(self.micro).exp()
        return x * (weight[..., None] if self.flat else weight)

    def whole(self) -> Tensor | None:
        """exp(g_C), the decay of a state across its chunk, ``[M, 1 or K, 1]``."""
        if self.steps is None:
            return None
        weight = self._factor(self.steps.rows(slice(-1, None)))
        return weight.mT

    def _factor(self, exponents: Exponents) -> Tensor:
        weight = sum(exponents.parts[1:], exponents.parts[0]).exp()
        return weight[..., None] if self.flat else weight

    def per_step(self, reads: Tensor, micro: Tensor) -> Tensor:
        """Add the contributions of micro-rows to those of their steps."""
        return reads + self._gather(micro)

    def per_step_solve(self, micro: Tensor) -> Tensor:
        """The same for b, which may meet the decays of the step before."""
        steps = self._gather(micro)
        if self.shape.sees_own_decay:
            return steps
        return torch.cat([steps[:, 1:], torch.zeros_like(steps[:, :1])], dim=1)

    def _gather(self, micro: Tensor) -> Tensor:
        r = self.shape.rows_per_step
        return micro if r == 1 else micro.unflatten(1, (-1, r)).sum(2)


def invert_unit_lower(N: Tensor) -> Tensor:
    """(I - N)⁻¹ for strictly lower-triangular N."""
    identity = torch.eye(N.shape[-1], dtype=N.dtype, device=N.device).expand(N.shape)
    return torch.linalg.solve_triangular(-N, identity, upper=False, unitriangular=True)


def carry_gradient(start: Tensor, dend: Tensor, carry: Tensor | None, flat: bool) -> Tensor:
    """What the decayed first state sends to the last exponent."""
    assert carry is not None
    inner = (start.conj() * dend).real if start.is_complex() else start * dend
    if flat:
        return inner.sum((1, 2)) * carry[:, 0, 0]
    return inner.sum(2) * carry[:, :, 0]


def _inner(x: Tensor, dx: Tensor | None, flat: bool) -> Tensor:
    assert dx is not None
    product = (x.conj() * dx).real if x.is_complex() else x * dx
    return product.sum(-1) if flat else product
