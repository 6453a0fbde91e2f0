"""One key for several heads is that key written out for each of them."""

from dataclasses import replace

import pytest
import torch

from lrnn import Packing, plan, recurrence
from tests.calls import ALGORITHMS, call, compare, error, results, tolerance

SHARED = [
    "scalar signs",
    "diagonal resets",
    "stepped diagonal shared",
    "complex diagonal",
    "dplr",
    "permutation",
    "dense",
]


def grouped(name, groups, size=(2, 20, 4, 6, 3)):
    """A call with so many key heads of k and q."""
    of = call(name, size)
    return replace(of, k=of.k[:, :, : groups[0]], q=of.q[:, :, : groups[1]])


def expanded(of):
    heads = of.v.shape[2]
    k, q = (x.repeat_interleave(heads // x.shape[2], dim=2) for x in (of.k, of.q))
    return replace(of, k=k, q=q)


@pytest.mark.parametrize("groups", [(1, 1), (2, 2), (4, 1), (2, 4)], ids=str)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", SHARED)
def test_grouped_is_expanded(name, algorithm, groups):
    """Values, last state and all gradients, those of a shared key added up over its heads."""
    of = grouped(name, groups)
    got = results(of, lambda of: of.run(algorithm=ALGORITHMS[algorithm]))
    want = results(of, lambda of: expanded(of).run(algorithm=ALGORITHMS[algorithm]))
    compare(got, want, 20)


def test_whole_states_and_packed_words():
    of = grouped("diagonal", (2, 2), (1, 20, 4, 6, 3))
    whole = recurrence(of.A, of.k, of.v, None)
    assert error(whole.y, recurrence(of.A, expanded(of).k, of.v, None).y) <= tolerance(torch.float64, 20)
    packing = Packing((7, 13))
    y, _ = recurrence(of.A, of.k, of.v, of.q, packing=packing)
    want, _ = recurrence(of.A, expanded(of).k, of.v, expanded(of).q, packing=packing)
    assert error(y, want) <= tolerance(torch.float64, 20)


@pytest.mark.no_shape_checks
def test_faults():
    of = call("diagonal", (2, 12, 4, 6, 3))
    message = (
        r"{} has shape \(2, 12, 3, 6\), wanted \(2, 12, 4, 6\) "
        r"\(B, T, H, K of A, or a number of key heads that divides 4 in place of 4\)"
    )
    for name in ("k", "q"):
        bad = replace(of, **{name: getattr(of, name)[:, :, :3]})
        with pytest.raises(ValueError, match=message.format(name)):
            bad.run()
        with pytest.raises(ValueError, match=message.format(name)):
            plan(bad.A, bad.k, bad.v, bad.q)
    with pytest.raises(ValueError, match=r"k has shape \(2, 12, 0, 6\)"):
        replace(of, k=of.k[:, :, :0]).run()
    of = call("householder", (2, 12, 4, 6, 3))
    with pytest.raises(ValueError, match=r"q has shape \(2, 12, 2, 6\), wanted \(2, 12, 4, 6\) \(B, T, H, K of A\)"):
        replace(of, q=of.q[:, :, :2]).run()
