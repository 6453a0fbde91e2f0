"""The chunks of a diagonal decay against their formulas in float64, with torch's own gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from lrnn.backends.triton.diagonal_prepare import prepare, prepare_back

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True, kw_only=True)
class Case:
    lengths: tuple[int, ...] = (40,)
    H: int = 1
    G: int = 1
    R: int = 1
    K: int = 16
    size: int = 32
    group: int = 1
    has_b: bool = False
    has_scale: bool = True
    sees_own_decay: bool = True
    normalize: bool = False
    solves: bool = True
    decay: str = "mild"
    dtype: torch.dtype = torch.float32
    seed: int = 0

    def chunks(self) -> Tensor:
        tokens, found, first = self.size >> (self.R - 1).bit_length(), [], 0
        for length in self.lengths:
            found += [[first + at, min(tokens, length - at)] for at in range(0, length, tokens)]
            first += length
        return torch.tensor(found, dtype=torch.int32, device=DEVICE)

    def options(self) -> dict:
        names = "size", "group", "sees_own_decay", "normalize", "solves"
        return {name: getattr(self, name) for name in names}


CASES = {
    "KDA": Case(normalize=True),
    "GLA": Case(solves=False, has_scale=False, K=24),
    "GLA in small chunks": Case(solves=False, has_scale=False, size=16, lengths=(3, 16, 1)),
    "one token": Case(lengths=(1,)),
    "grouped keys": Case(H=4, G=2, normalize=True, lengths=(20,)),
    "two reflectors": Case(R=2, K=24, normalize=True, lengths=(21,)),
    "three reflectors": Case(R=3, K=16, normalize=True, lengths=(11,)),
    "three at once, key and b": Case(R=3, group=3, has_b=True, lengths=(13,)),
    "two of three at once": Case(R=3, group=2, has_b=True, has_scale=False, lengths=(9,)),
    "four of eight": Case(R=8, group=4, normalize=True, lengths=(5,)),
    "eighteen reflectors": Case(R=18, lengths=(2,), normalize=True),
    "DPLR": Case(R=2, group=2, has_b=True, has_scale=False, sees_own_decay=False, lengths=(20,)),
    "DPLR, one row, two heads": Case(H=2, has_b=True, sees_own_decay=False, lengths=(18,)),
    "packed": Case(lengths=(7, 1, 34), H=2, G=1),
    "wide chunk": Case(lengths=(70,), size=64, K=40),
    "strong decay": Case(decay="strong", normalize=True),
    "resets": Case(decay="resets", has_b=True),
    "resets, DPLR": Case(
        decay="resets", has_b=True, has_scale=False, sees_own_decay=False, R=2, group=2, lengths=(19,)
    ),
    "no decay": Case(decay="none", normalize=True),
    "every decay": Case(decay="every", R=2, normalize=True, lengths=(19,)),
    "float16": Case(dtype=torch.float16, normalize=True, R=2, lengths=(20,)),
}


class Inputs(NamedTuple):
    q: Tensor
    key: Tensor
    b: Tensor | None
    scale: Tensor | None
    log_decay: Tensor


def each(given: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    q, key, b, scale, log_decay = given
    b, scale = (None if x is None else change(x) for x in (b, scale))
    return Inputs(change(q), change(key), b, scale, change(log_decay))


def to_device(x: Tensor) -> Tensor:
    return x.to(DEVICE)


def inputs(case: Case) -> Inputs:
    generator = torch.Generator().manual_seed(case.seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    T = sum(case.lengths)
    q, key, b = (random(1, T, case.G, *rows, case.K) for rows in ((), (case.R,), (case.R,)))
    key = torch.nn.functional.normalize(key, dim=-1) * (1 + 0.2 * random(*key.shape[:-1], 1).abs())
    if case.normalize and T > 4:
        key[:, 3] = 0
    b = -b / case.K**0.5 / case.R
    scale = -2 * torch.rand(1, T, case.H, case.R, generator=generator)
    scale[:, ::5] = 0
    scale[:, 1::5] = -2
    log_decay = -random(1, T, case.H, case.K).square()
    pick = torch.rand(log_decay.shape, generator=generator)
    strength = {"mild": 0.1, "strong": 5.0, "none": 0.0}.get(case.decay, 0.3)
    log_decay = log_decay * strength
    if case.decay in ("resets", "every"):
        log_decay = log_decay.masked_fill(pick < 0.15, -1e5)
    if case.decay == "every":
        log_decay = log_decay.masked_fill(pick > 0.5, -30).masked_fill(pick > 0.7, 0)
    q, key, b = (x.to(case.dtype) for x in (q, key, b))
    return each(Inputs(q, key, b if case.has_b else None, scale if case.has_scale else None, log_decay), to_device)


class Formulas(NamedTuple):
    system: Tensor | None
    reads: Tensor
    read_rows: Tensor | None
    write_rows: Tensor
    query_rows: Tensor
    carry: Tensor


def formulas(case: Case, given: Inputs) -> Formulas:
    """As written down, chunk by chunk, in float64; rows of a chunk include those that pad a token."""
    heads = case.H // case.G
    q, key = (x[0].repeat_interleave(heads, dim=1) for x in (given.q, given.key))
    b = key if given.b is None else given.b[0].repeat_interleave(heads, dim=1)
    scale = torch.ones_like(key[..., 0]) if given.scale is None else given.scale[0]
    if case.normalize:
        square = key.square().sum(-1)
        scale = torch.where(square > 0, scale / square.where(square > 0, 1.0), 0.0)
    b = b * scale[..., None]
    padded = 1 << (case.R - 1).bit_length()
    found: list[list[Tensor]] = [[] for _ in Formulas._fields]
    for first, count in case.chunks().tolist():
        here = slice(first, first + count)
        g = given.log_decay[0, here].cumsum(0)  # [t, H, K]
        before = torch.cat([torch.zeros_like(g[:1]), g[:-1]])
        token = torch.arange(count, device=g.device).repeat_interleave(case.R)
        team = torch.arange(count * case.R, device=g.device) // case.group
        place = token * padded + torch.arange(count * case.R, device=g.device) % case.R
        keys, lefts = (x[here].permute(0, 2, 1, 3).flatten(0, 1) for x in (key, b))  # [rows, H, K]
        seen = g[token] if case.sees_own_decay else before[token]

        def pairs(left: Tensor, decays: Tensor, sees: Tensor, place=place, keys=keys, own=g[token]) -> Tensor:
            ratio = (decays[:, None] - own).masked_fill(~sees[..., None, None], -torch.inf).exp()
            product = torch.einsum("ihk,jhk,ijhk->ihj", left, keys, ratio)
            return product.new_zeros(*product.shape[:2], case.size).index_copy(2, place, product)

        if case.solves:
            found[0].append(pairs(lefts, seen, team[:, None] > team).unflatten(0, (count, case.R)).transpose(1, 2))
            found[2].append((lefts * seen.exp()).unflatten(0, (count, case.R)).transpose(1, 2))
        found[1].append(pairs(q[here], g, torch.arange(count, device=g.device)[:, None] >= token))
        found[3].append((keys * (g[-1] - g[token]).exp()).unflatten(0, (count, case.R)).transpose(1, 2))
        found[4].append(q[here] * g.exp())
        found[5].append(g[-1:].exp())
    system, reads, read_rows, write_rows, query_rows, carry = (torch.cat(x) if x else None for x in found)
    assert reads is not None and write_rows is not None and query_rows is not None and carry is not None
    return Formulas(system, reads, read_rows, write_rows, query_rows, carry)


def wide(given: Inputs) -> Inputs:
    return each(given, lambda x: x.double().requires_grad_())


def inverses(case: Case, system: Tensor) -> Tensor:
    """(I - N)⁻¹, rows and padded columns as N has them."""
    padded = 1 << (case.R - 1).bit_length()
    found = []
    for first, count in case.chunks().tolist():
        full = torch.eye(case.size, dtype=system.dtype, device=system.device).repeat(case.H, 1, 1)
        rows = system[first : first + count].permute(1, 0, 2, 3)  # [H, t, R, C]
        place = torch.arange(case.size, device=system.device).view(-1, padded)[:count, : case.R].flatten()
        full[:, place] -= rows.flatten(1, 2)
        found.append(torch.linalg.inv(full)[:, place].unflatten(1, (count, case.R)).permute(1, 0, 2, 3))
    return torch.cat(found)


def close(name: str, found: Tensor, wanted: Tensor, tolerance: float) -> None:
    assert found.isfinite().all(), name
    error = (found.double() - wanted).norm() / wanted.norm().clamp_min(1e-30)
    assert found.shape == wanted.shape and error <= tolerance, f"{name}: {error:.1e}"


def together(x: Tensor) -> Tensor:
    """The number that the terms in front add up to."""
    return x.double().sum(0)


@pytest.mark.parametrize("name", CASES)
def test_prepared_is_as_the_formulas_say(name):
    case = CASES[name]
    given = inputs(case)
    found = prepare(*given, case.chunks(), **case.options())
    wanted = formulas(case, wide(given))
    path = 2e-6 if case.dtype == torch.float32 else 2e-5
    plain = path if case.dtype == torch.float32 else 2e-3
    close("reads", found.reads[0], wanted.reads.detach(), plain)
    close("query_rows", found.query_rows[0], wanted.query_rows.detach(), plain)
    close("write_rows", together(found.write_rows)[0], wanted.write_rows.detach(), path)
    close("carry", found.carry, wanted.carry.detach(), 2e-6)
    assert (found.inverse is None) is (found.read_rows is None) is (not case.solves)
    if found.inverse is not None and found.read_rows is not None:
        assert wanted.system is not None and wanted.read_rows is not None
        close("read_rows", together(found.read_rows)[0], wanted.read_rows.detach(), path)
        close("inverse", together(found.inverse)[0], inverses(case, wanted.system.detach()), path)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_the_formulas(name):
    case = CASES[name]
    given, exact = inputs(case), wide(inputs(case))
    wanted = formulas(case, exact)
    generator = torch.Generator().manual_seed(1)
    outer = [None if x is None else torch.randn(x.shape, generator=generator).to(DEVICE) for x in wanted]
    loss = sum((x * dx).sum() for x, dx in zip(wanted, outer) if x is not None and dx is not None)
    there = [x for x in exact if x is not None]
    found_there = iter(torch.autograd.grad(loss, there, materialize_grads=True))  # type: ignore[arg-type]
    gradients = [None if x is None else next(found_there) for x in exact]
    d_system, d_reads, d_read_rows, d_write_rows, d_query_rows, _ = (None if x is None else x[None] for x in outer)
    assert d_reads is not None and d_write_rows is not None and d_query_rows is not None and outer[5] is not None
    found = prepare_back(
        *given, case.chunks(), **case.options(),
        d_read_rows=d_read_rows, d_write_rows=d_write_rows, d_query_rows=d_query_rows, d_reads=d_reads,
        d_system=d_system, d_carry=outer[5],
    )  # fmt: skip
    tolerance = 5e-6 if case.dtype == torch.float32 else 2e-3
    for field, x, dx, like in zip(found._fields, found, gradients, given):
        if dx is None or x is None or like is None:
            assert x is None and dx is None, field
            continue
        assert x.dtype == like.dtype
        close(field, x, dx, tolerance)
    assert not found.log_decay[given.log_decay < -5e4].any()


def test_what_is_far_below_the_rest_keeps_its_digits():
    """The gradient of a log decay that only faint contributions cross: differences of large sums would lose it."""
    case = Case(lengths=(32,), solves=False, has_scale=False, decay="none")
    given = inputs(case)
    given.log_decay[:, 20] = -15  # of less, the float64 gradients of a running sum know nothing themselves
    exact = wide(given)
    wanted = formulas(case, exact)
    loss = wanted.reads.sum() + wanted.query_rows.sum() + wanted.write_rows.sum() + wanted.carry.sum()
    (gradient,) = torch.autograd.grad(loss, [exact.log_decay])
    ones = [torch.ones(x.shape, device=DEVICE)[None] for x in wanted if x is not None]
    found = prepare_back(
        *given, case.chunks(), **case.options(), d_read_rows=None, d_system=None,
        d_reads=ones[0], d_write_rows=ones[1], d_query_rows=ones[2], d_carry=ones[3][0],
    )  # fmt: skip
    close("the faint step", found.log_decay[:, 20], gradient[:, 20], 1e-5)
    close("log_decay", found.log_decay, gradient, 5e-6)


def test_nothing_to_do():
    case = Case(lengths=())
    given = each(inputs(Case()), lambda x: x[:, :0])
    chunks = torch.zeros(0, 2, dtype=torch.int32, device=DEVICE)
    found = prepare(*given, chunks, **case.options())
    assert found.reads.shape == (1, 0, 1, 32) and found.carry.shape == (0, 1, 16)


@pytest.mark.no_shape_checks
def test_all_faults_are_named_at_once():
    case = Case(R=3, sees_own_decay=False, has_scale=False, has_b=False, normalize=True, size=48)
    with pytest.raises(ValueError, match=r"got 48; .*one group, got group=1; .*b or scale; normalize needs"):
        prepare(*inputs(case), case.chunks(), **case.options())
