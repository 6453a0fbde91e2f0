"""torch.compile and the rules of torch.library, for calls that a kernel serves."""

from dataclasses import replace

import pytest
import torch

from lrnn import Packing, recurrence
from lrnn.backends.triton import rows
from tests.backends.kernel_calls import DEVICE, compare, make, on_kernels
from tests.calls import results

COMPILED = [
    ("householder R=2 scalar signs", 9, None),
    ("householder delta", 12, (5, 7)),
    ("householder delta diagonal resets", 9, None),
    ("complex diagonal", 9, None),
    ("dplr", 9, None),
]


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, while it traces
def test_compiled_is_eager():
    """fullgraph=True: values and gradients; the kernels run inside ops, so a compiler sees none of them."""
    for name, T, lengths in COMPILED:
        torch.compiler.reset()
        packing = None if lengths is None else Packing(lengths)
        of = make(name, (1, T, 2, 6, 3), torch.float32, rows=None if lengths is None else len(lengths))
        run = torch.compile(recurrence, fullgraph=True, backend="aot_eager")
        got = results(
            of,
            lambda of: run(of.A, of.k, of.v, of.q, state=of.state, packing=packing, backend="triton"),
        )
        compare(got, results(of, lambda of: on_kernels(of, packing=packing)), torch.float32, T)


@pytest.mark.compiled
def test_a_compiled_step_is_an_eager_one():
    for name in ("householder scalar", "complex diagonal"):
        torch.compiler.reset()
        of = make(name, (2, 1, 2, 6, 3), torch.float32)
        assert of.state is not None
        state = of.state.to(torch.complex64 if of.A.complex else torch.float32)

        def step(A, k, v, q, state, same_key=of.delta):
            return recurrence(A, A.k if same_key else k, v, q, state=state, backend="triton", overwrite_state=True)

        run = torch.compile(step, fullgraph=True, backend="aot_eager")
        given = state.clone()
        y, last = run(of.A, of.k, of.v, of.q, given)
        want, final = on_kernels(replace(of, state=state.clone()))
        assert torch.equal(y, want)
        assert torch.equal(last, final)
        assert torch.equal(given, final)


@pytest.mark.parametrize("decay", ["none", "scalar", "diagonal"])
def test_ops_keep_their_word(decay):
    """Fakes have the shapes, dtypes and strides of what is computed, and no input is changed or returned.

    An eager call launches the same kernels without an op around them.
    """
    g = torch.Generator().manual_seed(0)
    B, T, H, R, K, V = 1, 20, 2, 2, 16, 8

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g).to(DEVICE)

    q, key, v = normal(B, T, H, K), normal(B, T, H, R, K) / K**0.5, normal(B, T, H, R, V)
    beta, state = normal(B, T, H, R).abs(), normal(B, H, K, V)
    log_decay = {"none": None, "scalar": -normal(B, T, H).abs(), "diagonal": -normal(B, T, H, K).abs()}[decay]
    given = (q, key, None, beta, v, log_decay)
    options = ([], 1, True, False, True, False, 0)
    tests = ("test_schema", "test_faketensor")
    for save, first in ((False, state), (True, state), (True, None)):
        torch.library.opcheck(rows.rows_forward, (*given, first, *options, save), test_utils=tests)
    y, final, *kept = rows.rows_forward(*given, state, *options, True)
    torch.library.opcheck(
        rows.rows_backward, (torch.ones_like(y), None, *given, None, *kept, *options), test_utils=tests
    )
    backward = (torch.ones_like(y), torch.ones_like(final), *given, state, *kept, *options)
    torch.library.opcheck(rows.rows_backward, backward, test_utils=tests)
    leaves = [None if x is None else x.clone().requires_grad_() for x in (*given, state)]
    eager = rows.scan_rows(*leaves)  # type: ignore[arg-type]
    (eager[0].sum() + eager[1].sum()).backward()
    assert torch.equal(eager[0], y)
    assert torch.equal(eager[1], final)
    for leaf, gradient in zip(leaves, rows.rows_backward(*backward), strict=True):
        assert leaf is None or (leaf.grad is not None and torch.equal(leaf.grad, gradient))


@pytest.mark.parametrize("solves, weighs", [(False, False), (True, False), (False, True), (True, True)])
def test_one_row_needs_no_axis(solves, weighs):
    """Neither of an eager call nor of an op."""
    g = torch.Generator().manual_seed(0)
    B, T, H, K, V = 1, 20, 2, 16, 8
    q, key, v = (torch.randn(B, T, H, n, generator=g).to(DEVICE) / 4 for n in (K, K, V))
    beta = torch.rand(B, T, H, 1, generator=g).to(DEVICE) if solves or weighs else None
    log_decay = -torch.rand(B, T, H, generator=g).to(DEVICE) if weighs else None
    erases, writes = solves or not weighs, solves and weighs
    found = []
    for rows_of in (lambda x: x, lambda x: x.unsqueeze(3)):
        leaves = [x if x is None else x.clone().requires_grad_() for x in (q, rows_of(key), None, beta, rows_of(v))]
        y, final = rows.scan_rows(*leaves, log_decay, None, erases=erases, writes=writes)  # type: ignore[arg-type]
        gradients = torch.autograd.grad(y.sum() + final.sum(), [x for x in leaves if x is not None])
        found.append([y, final, *(x.flatten(3) for x in gradients)])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    given, options = (q, key, None, beta, v, log_decay, None), ([], 1, True, False, erases, writes, 0)
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(rows.rows_forward, (*given, *options, True), test_utils=tests)
    y, final, *kept = rows.rows_forward(*given, *options, True)
    torch.library.opcheck(rows.rows_backward, (y, final, *given, *kept, *options), test_utils=tests)


def test_a_second_derivative_is_refused():
    of = make("householder delta", (1, 12, 1, 6, 3), torch.float32).leaves()
    y, _ = on_kernels(of)
    (dv,) = torch.autograd.grad(y.square().sum(), of.v, create_graph=True)
    with pytest.raises(RuntimeError):
        dv.sum().backward()
