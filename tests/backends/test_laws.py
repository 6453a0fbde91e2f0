"""Every structure that a kernel serves is the definition: values, last state and all gradients.

Without a GPU the kernels run in Triton's interpreter, at tiny sizes and not in bfloat16, whose products it gets wrong.
"""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from lrnn import DPLR, Householder, Packing
from lrnn.backends.triton import rows_call, rows_layout
from tests.backends.kernel_calls import DEVICE, SERVED, compare, make, on_kernels, terms
from tests.calls import call, definition, error, results, tolerance, truth
from tests.recurrence.test_words import separate

SIZES = [(2, 1, 1, 6, 5), (1, 7, 2, 16, 3), (1, 70, 1, 20, 2)]
"""B, T, H, K, V: one step, part of a chunk, more than a chunk; nothing is a power of 2 where it need not be."""

FEW = ["scalar", "householder delta", "householder R=2 scalar signs", "householder R=2 diagonal resets", "dplr"]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", SERVED)
def test_kernel_is_definition(name, size):
    got = results(make(name, size, torch.float32), on_kernels)
    compare(got, truth(name, size, torch.float32), torch.float32, size[1])


@pytest.mark.parametrize("name", SERVED)
def test_narrow_inputs(name):
    size = (1, 37, 1, 16, 5)
    got = results(make(name, size, torch.float16), on_kernels)
    compare(got, truth(name, size, torch.float16), torch.float16, size[1])


@pytest.mark.parametrize("name", FEW)
def test_wide_states(name):
    """More columns than one program holds, and more rows than a tile of 16."""
    size = (1, 18, 1, 33, 70)
    got = results(make(name, size, torch.float32, state=False), on_kernels)
    compare(got, truth(name, size, torch.float32, state=False), torch.float32, size[1])


# ---- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(1, 40, 2), (18, 1, 1)], ids=str)
@pytest.mark.parametrize("name", [*FEW, "complex diagonal"])
def test_packed_is_the_loop_over_words(name, lengths):
    packing = Packing(lengths)
    of = make(name, (1, packing.total, 1, 6, 3), torch.float32, rows=3)
    got = results(of, lambda of: on_kernels(of, packing=packing))
    want = results(of.to(torch.float64), lambda of: separate(of, packing, definition))
    compare(got, want, torch.float32, packing.total)


@pytest.mark.parametrize("name", FEW)
def test_segmented_is_whole(name):
    """Cut at odd places with the state handed on."""
    of = make(name, (1, 70, 1, 6, 3), torch.float32)

    def in_pieces(of):
        ys, state = [], of.state
        for first, last in pairwise((0, 1, 34, 70)):
            y, state = on_kernels(of.steps(slice(first, last), state))
            ys.append(y)
        return torch.cat(ys, dim=1), state

    compare(results(of, in_pieces), results(of.to(torch.float64), definition), torch.float32, 70)


@pytest.mark.parametrize("name", SERVED)
def test_token_by_token_is_whole(name):
    """Without gradients a step has a kernel of its own."""
    of = make(name, (2, 9, 2, 6, 3), torch.float32)
    ys, state = [], of.state
    for t in range(9):
        y, state = on_kernels(of.steps(slice(t, t + 1), state))
        ys.append(y)
    want, last = definition(of.to(torch.float64))
    assert error(torch.cat(ys, dim=1), want) <= tolerance(torch.float32, 9)
    assert state is not None
    assert error(state, last) <= tolerance(torch.float32, 9)


@pytest.mark.parametrize("name", FEW)
def test_a_row_of_a_batch_is_the_batch(name):
    of = make(name, (2, 20, 2, 6, 3), torch.float32)
    y, state = on_kernels(of)
    for n in range(2):
        alone, last = on_kernels(of.rows(slice(n, n + 1)))
        assert torch.equal(alone, y[n : n + 1])
        assert torch.equal(last, state[n : n + 1])


@pytest.mark.parametrize("name", FEW)
def test_a_long_word_is_cut_and_put_together(name, monkeypatch):
    """Words too few to fill the chip are worked on in segments at the same time, and their backward goes in pieces."""
    monkeypatch.setattr(rows_layout, "SEGMENT", 1)
    monkeypatch.setattr(rows_layout, "PIECE", 1)
    rows_call.known_call.cache_clear()
    steps = 150 if name in ("scalar", "householder delta") else 50
    assert rows_layout.Layout.of(1, steps, (), 2, 6, 0, 4).cut(1, leads=False).is_cut
    of = make(name, (1, steps, 1, 6, 3), torch.float32)
    compare(results(of, on_kernels), results(of.to(torch.float64), definition), torch.float32, steps)
    of = make(name, (2, steps, 1, 6, 3), torch.float32)
    with torch.no_grad():  # the last segments are not summarized
        (y, state), (want, last) = on_kernels(of), definition(of.to(torch.float64))
    assert error(y, want) <= tolerance(torch.float32, steps)
    assert error(state, last) <= tolerance(torch.float32, steps)


@pytest.mark.parametrize("name", FEW)
def test_two_runs_agree_to_the_last_bit(name):
    of = make(name, (1, 20, 2, 6, 3), torch.float32)
    first, second = results(of, on_kernels), results(of, on_kernels)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", FEW)
def test_memory_in_any_order(name):
    """Views with strides of their own, as a layer makes them by splitting a projection."""
    of = make(name, (1, 20, 2, 6, 3), torch.float32)
    spread = of.map(lambda x: torch.stack([x, x * float("nan")], dim=-1)[..., 0])
    swapped = of.map(lambda x: x.transpose(0, -1).contiguous().transpose(0, -1))
    want = results(of, on_kernels)
    for other in (spread, swapped):
        y, state = on_kernels(other)
        assert torch.equal(y, want["y"])
        assert torch.equal(state, want["last state"])


# ---- edges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_decay", [0.0, -2.0, -30.0])
@pytest.mark.parametrize(
    "name", ["scalar signs", "diagonal", "householder scalar", "householder R=2 diagonal resets", "dplr"]
)
def test_every_decay_at_the_edge(name, log_decay):
    """Even at exp(-30) the gradient of the decay itself is right, relative to its own size of 1e-13."""
    of = make(name, (1, 40, 1, 6, 4), torch.float32)
    tensors = of.A.tensors()
    changed = {key: torch.full_like(x, log_decay) for key, x in tensors.items() if key.endswith("log_decay")}
    of = replace(of, A=of.A._with(tensors | changed))
    compare(results(of, on_kernels), results(of.to(torch.float64), definition), torch.float32, 40)


@pytest.mark.parametrize("name", ["complex diagonal angles", "dplr R=3 complex"])
def test_phases_where_all_decays(name):
    """The gradient of a phase is then the difference of what turns with it, and right relative to that."""
    of = make(name, (1, 20, 1, 6, 4), torch.float32)
    tensors = of.A.tensors()
    changed = {key: torch.full_like(x, -30.0) for key, x in tensors.items() if key.endswith("log_decay")}
    of = replace(of, A=of.A._with(tensors | changed))
    got, want = results(of, on_kernels), results(of.to(torch.float64), definition)
    compare(got, want, torch.float32, 20, of.to(torch.float64))
    phase = next(key for key in want if key.endswith("phase"))
    assert terms(phase, of.to(torch.float64), want) > 1e9 * want[phase].norm()
    with pytest.raises(AssertionError, match="phase"):
        compare(got | {phase: got[phase] + 1e-3}, want, torch.float32, 20, of.to(torch.float64))


def test_a_state_that_reflectors_take_away():
    """Where nothing is written, what is left of the first state is right relative to what was there."""
    of = make("householder scalar", (1, 65, 1, 6, 3), torch.float32)
    of = replace(of, v=torch.zeros_like(of.v), A=replace(of.A, beta=torch.full_like(of.A.beta, 1.2)))  # type: ignore[call-arg,attr-defined]
    exact = of.to(torch.float64)
    got, want = results(of, on_kernels), results(exact, definition)
    compare(got, want, torch.float32, 65, exact)
    there = terms("last state", exact, want)
    assert there > 100 * want["last state"].norm()
    with pytest.raises(AssertionError, match="last state"):
        compare(got | {"last state": got["last state"] + 1e-4 * there}, want, torch.float32, 65, exact)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("name", ["householder", "householder delta R=3 normalize"])
def test_every_beta_at_the_edge(name, beta):
    of = make(name, (1, 40, 1, 6, 4), torch.float32)
    of = replace(of, A=replace(of.A, beta=torch.full_like(of.A.beta, beta)))  # type: ignore[call-arg,attr-defined]
    compare(results(of, on_kernels), results(of.to(torch.float64), definition), torch.float32, 40)


@pytest.mark.parametrize("kind", ["scalar", "diagonal", "householder R=2 scalar signs", "householder diagonal", "dplr"])
def test_a_zero_sign_is_a_reset(kind):
    """Nothing of the past comes through, to the last bit, and no gradient goes back."""
    of = make(kind, (1, 40, 1, 6, 4), torch.float32).leaves()
    decay = of.A if not isinstance(of.A, Householder | DPLR) else of.A.decay
    sign = torch.ones_like(decay.log_decay)  # type: ignore[union-attr]
    sign[:, 20] = 0
    decay = replace(decay, log_decay=decay.log_decay.clamp(min=-1), sign=sign)  # type: ignore[type-var,call-arg,union-attr]
    A = decay if not isinstance(of.A, Householder | DPLR) else replace(of.A, decay=decay)
    if isinstance(A, DPLR):  # D = 0, and no rank-one term either at that step
        A = replace(A, a=A.a * sign[..., None, :])
    of = replace(of, A=A)
    y, state = on_kernels(of)
    assert of.state is not None
    early = torch.autograd.grad(y[:, 20:].sum() + state.sum(), [of.state, of.v], retain_graph=True)
    assert early[0].eq(0).all()
    assert early[1][:, :20].eq(0).all()
    assert early[1][:, 20:].ne(0).any()
    again, last = on_kernels(replace(of, state=of.state + 100.0))
    assert torch.equal(again[:, 20:], y[:, 20:])
    assert torch.equal(last, state)
    assert not torch.equal(again[:, :20], y[:, :20])


def test_zero_key_under_normalize_is_the_identity():
    of = make("householder R=4 normalize", (1, 20, 1, 6, 4), torch.float32)
    A = replace(of.A, k=torch.zeros_like(of.A.k))  # type: ignore[call-arg,attr-defined]
    quiet = replace(of, A=A, v=torch.zeros_like(of.v)).leaves()
    y, state = on_kernels(quiet)
    assert quiet.state is not None
    assert torch.equal(state, quiet.state)
    gradients = torch.autograd.grad(y.sum() + state.sum(), list(quiet.tensors().values()), allow_unused=True)
    assert all(d is None or d.isfinite().all() for d in gradients)


def test_reflections_keep_the_state():
    """β = 2 and no decay: after 2000 reflections by rounded keys the state is as orthogonal as it was."""
    of = call("householder delta R=3 normalize", (1, 700, 1, 6, 4), state=False).to(torch.float16)
    assert isinstance(of.A, Householder)
    start = torch.eye(6)[None, None, :, :4]
    A = replace(of.A, beta=torch.full_like(of.A.beta, 2.0))
    of = replace(of, A=A, k=A.k, v=torch.zeros_like(of.v), state=start).map(lambda x: x.to(DEVICE))
    _, state = on_kernels(of)
    assert error(state.mT @ state, torch.eye(4)[None, None].to(state)) <= 1e-3


def test_grouped_keys_are_read_where_they_are():
    """Two heads to a key, as if it were there twice."""
    for name in ("scalar", "diagonal", "complex diagonal"):
        of = make(name, (1, 20, 4, 6, 3), torch.float32)
        few = replace(of, k=of.k[:, :, ::2], q=of.q[:, :, ::2])

        def expanded(of):
            k, q = (x.repeat_interleave(2, dim=2) for x in (of.k, of.q))
            return definition(replace(of, k=k, q=q))

        compare(results(few, on_kernels), results(few.to(torch.float64), expanded), torch.float32, 20)


@pytest.mark.parametrize("name", ["diagonal signs", "diagonal resets", "complex diagonal angles", "stepped diagonal"])
def test_one_state_column(name):
    """Mamba and the LRU: a state that is a vector."""
    for size in ((2, 1, 3, 6, 1), (1, 33, 3, 5, 1)):
        got = results(make(name, size, torch.float32), on_kernels)
        compare(got, truth(name, size, torch.float32), torch.float32, size[1])


def test_a_wrong_result_is_seen():
    """The comparison itself can fail."""
    size = SIZES[1]
    good = results(make("householder", size, torch.float32), on_kernels)
    want = truth("householder", size, torch.float32)
    for broken in (
        good | {"d A.beta": good["d A.beta"] * (1 + 1e-3)},
        good | {"y": good["y"].clone().fill_(float("nan"))},
        {key: value for key, value in good.items() if key != "d q"},
    ):
        with pytest.raises(AssertionError):
            compare(broken, want, torch.float32, size[1])


@pytest.mark.parametrize("name", ["householder scalar", "complex diagonal", "dplr"])
def test_overwriting_in_place(name):
    """The kernel of steps writes into the state that it is given; every other result is copied there."""
    for T in (1, 12):
        calls = call(name, (2, T, 2, 6, 3)).to(torch.float32)
        assert calls.state is not None
        state = calls.state.to(torch.complex64 if calls.A.complex else torch.float32)
        want, last = replace(calls, state=state).run()
        given = state.clone()
        y, after = on_kernels(replace(calls, state=given), overwrite_state=True)
        assert after is given
        assert error(y, want) <= tolerance(torch.float32, T)
        assert error(given, last) <= tolerance(torch.float32, T)
