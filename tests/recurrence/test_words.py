"""Words in rows: packed equals separate, segmented equals whole, a row of a batch equals the batch, micro-steps."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from lrnn import Chunked, Householder, Packing, recurrence
from lrnn.recurrence import chunk_scan
from tests.calls import ALGORITHMS, PACKINGS, call, compare, definition, error, results, tolerance
from tests.cases import STRUCTURES

PACKED = ["householder R=2 scalar signs", "complex diagonal", "dplr R=3 complex", "permutation"]


def separate(of, packing, run):
    """The loop over the words, which is what packing means."""
    outputs = []
    for n, span in enumerate(packing.spans):
        state = None if of.state is None else of.state[n : n + 1]
        outputs.append(run(of.steps(span, state)))
    ys, states = zip(*outputs)
    return torch.cat(ys, dim=1), torch.cat(states, dim=0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("packing", PACKINGS, ids=str)
@pytest.mark.parametrize("name", PACKED)
def test_packed_is_the_loop_over_words(name, packing, algorithm):
    of = call(name, (1, packing.total, 2, 6, 3), rows=packing.num_words)
    got = results(of, lambda of: of.run(packing=packing, algorithm=ALGORITHMS[algorithm]))
    compare(got, results(of, lambda of: separate(of, packing, definition)), packing.total)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_packs(name):
    """By the algorithm that the rule chooses, without first states, in float32."""
    packing = Packing((3, 70, 1, 20))
    of = call(name, (1, packing.total, 1, 6, 3), state=False).to(torch.float32)
    got = results(of, lambda of: of.run(packing=packing))
    want = results(of.to(torch.float64), lambda of: separate(of, packing, definition))
    compare(got, want, packing.total)


def test_one_word_does_not_hear_another():
    """Changing word 1 leaves words 0 and 2 as they were, to the last bit, and sends no gradient across."""
    packing = Packing((20, 31, 25))
    of = call("householder scalar", (1, 76, 1, 6, 3), rows=3).leaves()
    v = of.v.detach().clone()
    v[:, packing.spans[1]] += 7
    for algorithm in ALGORITHMS.values():
        y, state = of.run(packing=packing, algorithm=algorithm)
        other, other_state = replace(of, v=v).run(packing=packing, algorithm=algorithm)
        for n in (0, 2):
            assert torch.equal(y[:, packing.spans[n]], other[:, packing.spans[n]])
            assert torch.equal(state[n], other_state[n])
        assert not torch.equal(y[:, packing.spans[1]], other[:, packing.spans[1]])
        (dv,) = torch.autograd.grad(y[:, packing.spans[1]].sum(), of.v)
        assert dv[:, packing.spans[1]].ne(0).any()
        assert dv[:, packing.spans[0]].eq(0).all()
        assert dv[:, packing.spans[2]].eq(0).all()


@pytest.mark.parametrize("algorithm", ["chunked", "associative"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_segmented_is_whole(name, algorithm):
    """Cut at odd places with the state handed on: values, last state and gradients are those of the whole word."""
    cuts = (0, 1, 64, 65, 100, 130)

    def in_pieces(of):
        ys, state = [], of.state
        for first, last in pairwise(cuts):
            y, state = of.steps(slice(first, last), state).run(algorithm=ALGORITHMS[algorithm])
            ys.append(y)
        return torch.cat(ys, dim=1), state

    of = call(name, (1, 130, 1, 6, 3))
    compare(results(of, in_pieces), results(of, lambda of: of.run(algorithm=ALGORITHMS[algorithm])), 130)


@pytest.mark.parametrize("name", STRUCTURES)
def test_token_by_token_is_whole(name):
    """Decoding, by the algorithm that the rule chooses for one step and for all."""
    of = call(name, (2, 20, 2, 6, 3))
    ys, state = [], of.state
    for t in range(20):
        y, state = of.steps(slice(t, t + 1), state).run()
        ys.append(y)
    want, last = of.run()
    assert error(torch.cat(ys, dim=1), want) <= tolerance(torch.float64, 20)
    assert state is not None
    assert error(state, last) <= tolerance(torch.float64, 20)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", STRUCTURES)
def test_a_row_of_a_batch_is_the_batch(name, algorithm):
    of = call(name, (2, 20, 2, 6, 3))
    y, state = of.run(algorithm=ALGORITHMS[algorithm])
    for n in range(2):
        alone, last = of.rows(slice(n, n + 1)).run(algorithm=ALGORITHMS[algorithm])
        assert error(alone, y[n : n + 1]) <= tolerance(torch.float64, 20)
        assert error(last, state[n : n + 1]) <= tolerance(torch.float64, 20)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_householder_of_many_is_one_at_a_time(algorithm):
    """R reflectors and writes per token are the recurrence over T·R micro-steps, read at every R-th."""
    of = call("householder R=2 scalar signs", (2, 70, 1, 6, 3))
    A, R = of.A, 2
    assert isinstance(A, Householder)
    assert A.decay is not None
    y, state = of.run(algorithm=ALGORITHMS[algorithm])

    def micro(x):  # [B, T, H, R, ...] -> [B, T·R, H, ...]
        return x.movedim(3, 2).flatten(1, 2)

    # the decay acts on the first micro-step of a token and is 1 on the others
    log_decay = micro(torch.stack([A.decay.log_decay, torch.zeros_like(A.decay.log_decay)], dim=3))
    sign = micro(torch.stack([A.decay.sign, torch.ones_like(A.decay.sign)], dim=3))  # type: ignore[list-item,arg-type]
    steps = Householder(
        k=micro(A.k)[..., None, :],
        beta=micro(A.beta)[..., None],
        decay=replace(A.decay, log_decay=log_decay, sign=sign),
    )
    long, last = recurrence(
        steps,
        micro(of.k)[..., None, :],
        micro(of.v)[..., None, :],
        of.q.repeat_interleave(R, dim=1),
        state=of.state,
        algorithm=ALGORITHMS[algorithm],
    )
    assert error(long[:, R - 1 :: R], y) <= tolerance(torch.float64, 140)
    assert error(last, state) <= tolerance(torch.float64, 140)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", ["householder", "householder R=2 diagonal resets"])
def test_the_same_key_is_a_short_cut_and_nothing_else(name, algorithm):
    """k that is A.k, and an equal k that is another tensor, give the same values and the same total gradient."""
    of = call(name, (1, 70, 1, 6, 3)).leaves()
    A = of.A
    assert isinstance(A, Householder)
    g = torch.Generator().manual_seed(2)
    weight = torch.randn(of.q[..., :3].shape, generator=g, dtype=of.q.dtype)

    def run(k):
        y, state = replace(of, k=k).run(algorithm=ALGORITHMS[algorithm])
        return y, state, torch.autograd.grad((y * weight).sum() + state.square().sum(), [A.k, A.beta, of.v, of.q])

    *same, d_same = run(A.k)
    *other, d_other = run(A.k * 1.0)
    for x, y in zip((*same, *d_same), (*other, *d_other)):
        assert error(x, y) <= tolerance(torch.float64, 70)


@pytest.mark.parametrize("name", STRUCTURES)
def test_empty_words_of_length_zero(name):
    """T = 0: nothing to read, and the state comes back as it went in."""
    of = call(name, (2, 0, 1, 6, 3))
    assert of.state is not None
    y, state = of.run()
    assert y.shape == (2, 0, 1, 3)
    assert torch.equal(state, of.state.to(state.dtype))
    _, zero = replace(of, state=None).run()
    assert torch.equal(zero, torch.zeros_like(zero))


@pytest.mark.parametrize("name", STRUCTURES)
def test_dtypes_of_the_results(name):
    """y has the dtype of v, the state float32 or float64, both complex for a complex structure."""
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        of = call(name, (1, 12, 1, 6, 3)).to(dtype)
        y, state = of.run()
        wide = torch.promote_types(dtype, torch.float32)
        if of.A.complex:
            assert (y.dtype, state.dtype) == (wide.to_complex(), wide.to_complex())
        else:
            assert (y.dtype, state.dtype) == (dtype, wide)


@pytest.mark.parametrize("lengths", [None, (9, 40, 1, 20)], ids=["plain", "packed"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_pieces_do_not_show(name, lengths, monkeypatch):
    """The chunked algorithm takes chunks a piece at a time; how many are in a piece changes nothing."""
    packing = None if lengths is None else Packing(lengths)
    batch, length, rows = (2, 50, 2) if packing is None else (1, packing.total, packing.num_words)
    of = call(name, (batch, length, 2, 6, 3), rows=rows)
    want = results(of, lambda of: of.run(packing=packing, algorithm=Chunked(5)))
    monkeypatch.setattr(chunk_scan, "PIECE", 150)
    compare(results(of, lambda of: of.run(packing=packing, algorithm=Chunked(5))), want, length)
