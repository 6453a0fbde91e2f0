"""Bad input: one clear error that names the argument, what came and what is wanted; all faults of a call at once."""

from dataclasses import replace

import pytest
import torch

from lrnn import Householder, Packing, Scalar, checked, recurrence
from tests.calls import Call, call, error, tolerance

pytestmark = pytest.mark.no_shape_checks  # they would speak first


def of(name="diagonal", **changes) -> Call:
    return replace(call(name, (2, 12, 2, 6, 4)), **changes)


x = torch.zeros

SHAPES = {
    "k": (lambda: of(k=x(2, 12, 2, 5)), r"k has shape \(2, 12, 2, 5\), wanted \(2, 12, 2, 6\) \(B, T, H, K of A"),
    "v": (lambda: of(v=x(2, 11, 2, 4)), r"v has shape \(2, 11, 2, 4\), wanted \(2, 12, 2, 4\) \(B, T, H of A, V\)"),
    "q": (
        lambda: of(q=x(2, 12, 3, 6)),
        r"q has shape \(2, 12, 3, 6\), wanted \(2, 12, 2, 6\) \(.*, or a number of key heads that divides 2 in place",
    ),
    "q of a Householder": (
        lambda: of("householder", q=x(2, 12, 1, 6)),
        r"q has shape \(2, 12, 1, 6\), wanted \(2, 12, 2, 6\) \(B, T, H, K of A\)",
    ),
    "state": (lambda: of(state=x(3, 2, 6, 4)), r"state has shape \(3, 2, 6, 4\), wanted \(2, 2, 6, 4\)"),
    "strength": (
        lambda: of(strength=x(2, 12, 1)),
        r"strength has shape \(2, 12, 1\), wanted \(2, 12, 2\) \(B, T, H of A",
    ),
    "strength of a Householder": (
        lambda: of("householder R=2", strength=x(2, 12, 2)),
        r"strength has shape \(2, 12, 2\), wanted \(2, 12, 2, 2\) \(B, T, H, R \(one write per reflector\) of A\)",
    ),
    "complex strength": (lambda: of(strength=x(2, 12, 2) * 1j), "strength is complex, wanted real numbers"),
    "integers of strength": (lambda: of(strength=x(2, 12, 2).long()), "strength has dtype torch.int64"),
    "axes": (lambda: of(A=of().A[0]), r"A has leading axes \(12, 2\), wanted \(B, T, H\)"),
    "no axes": (lambda: of(v=x(())), r"v has shape \(\), wanted"),
    "R missing": (
        lambda: of("householder", k=x(2, 12, 2, 6)),
        r"k has shape \(2, 12, 2, 6\), wanted \(2, 12, 2, 1, 6\) \(B, T, H, R \(one write per reflector\), K of A\)",
    ),
    "R of k": (lambda: of("householder R=2", k=x(2, 12, 2, 3, 6)), r"k has .* wanted \(2, 12, 2, 2, 6\)"),
    "R of v": (lambda: of("householder R=2", v=x(2, 12, 2, 1, 4)), r"v has .* wanted \(2, 12, 2, 2, 4\)"),
    "R too many": (lambda: of(k=x(2, 12, 2, 1, 6), v=x(2, 12, 2, 1, 4)), r"k has .*; v has"),
    "all at once": (lambda: of(k=x(1), q=x(1), state=x(1)), "k has shape .*; q has shape .*; state has shape"),
    "integers": (lambda: of(v=x(2, 12, 2, 4).long()), "v has dtype torch.int64, wanted float64, float32, bfloat16"),
    "bool": (lambda: of(q=x(2, 12, 2, 6).bool()), "q has dtype torch.bool"),
    "device": (lambda: of(v=x(2, 12, 2, 4, device="meta")), "v is on meta, wanted cpu as A"),
    "device of state": (lambda: of(state=x(2, 2, 6, 4, device="meta")), "state is on meta, wanted cpu as A"),
}


@pytest.mark.parametrize("fault", SHAPES)
def test_shape_dtype_device(fault):
    make, message = SHAPES[fault]
    with pytest.raises(ValueError, match=message):
        make().run()


def test_complex_values_with_a_real_structure():
    """The state becomes complex; nothing is dropped silently."""
    plain = of(state=None)
    y, state = replace(plain, v=plain.v * 1j).run()
    want, last = plain.run()
    assert error(y, want * 1j) <= tolerance(torch.float64, 12)
    assert error(state, last * 1j) <= tolerance(torch.float64, 12)


def test_types():
    with pytest.raises(TypeError, match=r"A is Tensor, wanted a lrnn.Transition such as"):
        of(A=x(2, 12, 2, 6)).run()
    with pytest.raises(TypeError, match="k is list, wanted a torch"):
        of(k=[1.0]).run()
    with pytest.raises(TypeError, match=r"strength is float, wanted a torch.Tensor or None"):
        of(strength=0.5).run()
    with pytest.raises(TypeError, match=r"packing is tuple, wanted lrnn.Packing or None"):
        of().run(packing=(12,))


def test_unknown_arguments_are_not_swallowed():
    with pytest.raises(TypeError, match="allow_neg_eigval"):
        of().run(allow_neg_eigval=True)


def test_packing():
    one = call("diagonal", (1, 12, 2, 6, 4), rows=2)
    for packing, message in (
        (Packing((5, 6)), r"packing lengths \(5, 6\) add up to 11, wanted T = 12"),
        (Packing((5, 8)), r"add up to 13, wanted T = 12"),
        (Packing((4, 4, 4)), r"state has shape \(2, 2, 6, 4\), wanted \(3, 2, 6, 4\) \(B or packed words, H, K, V\)"),
    ):
        with pytest.raises(ValueError, match=message):
            one.run(packing=packing)
    with pytest.raises(ValueError, match="packing needs a batch of one row, got B = 2"):
        of(state=None).run(packing=Packing((6, 6)))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ((), "packing has no words, wanted at least one length"),
        ((3, 0, 2), r"packing lengths of words \[1\] are below 1 in \(3, 0, 2\): a word has at least one step"),
        ((-1, 0), r"words \[0, 1\] are below 1"),
    ],
)
def test_empty_words(lengths, message):
    with pytest.raises(ValueError, match=message):
        Packing(lengths)


def test_lengths_are_whole_numbers():
    with pytest.raises(ValueError, match=r"packing lengths .*2\.5"):
        Packing((2.5, 3))  # type: ignore[arg-type]


def _with(name, value, where=(0, 3, 1)):
    def change(tensor):
        tensor = tensor.clone()
        tensor[where] = value
        return tensor

    plain = of("householder R=2 scalar signs")
    if name in ("k", "v", "q"):
        return replace(plain, **{name: change(getattr(plain, name))})
    tensors = plain.A.tensors()
    return replace(plain, A=plain.A._with(tensors | {name: change(tensors[name])}))


NAN, INF = float("nan"), float("inf")
VALUES = {
    "beta above": (
        lambda: _with("beta", 2.5),
        r"beta is 2.5 at \[0, 3, 1, 0\], wanted numbers in \[0, 2\] \(2 of 96 are",
    ),
    "beta below": (lambda: _with("beta", -0.1), r"beta is -0.1 at .*wanted numbers in \[0, 2\]"),
    "log_decay": (
        lambda: _with("decay.log_decay", 0.25),
        r"decay.log_decay is 0.25 at \[0, 3, 1\], wanted numbers <= 0",
    ),
    "log of 0": (lambda: _with("decay.log_decay", -INF), r"decay.log_decay is -inf at .*wanted finite numbers"),
    "sign": (lambda: _with("decay.sign", 0.5), r"decay.sign is 0.5 at .*wanted -1, 0 or \+1"),
    "NaN in k": (lambda: _with("k", NAN, (1, 2, 0, 1, 3)), r"k is nan at \[1, 2, 0, 1, 3\], wanted finite .*\(1 of"),
    "inf in v": (lambda: _with("v", INF), r"v is inf at"),
    "NaN in q": (lambda: _with("q", NAN), r"q is nan at"),
    "NaN in strength": (lambda: of(strength=torch.full((2, 12, 2), NAN)), r"strength is nan at \[0, 0, 0\]"),
    "NaN in state": (lambda: of(state=torch.full((2, 2, 6, 4), NAN)), r"state is nan at \[0, 0, 0, 0\]"),
    "index": (
        lambda: of("permutation", A=replace(of("permutation").A, index=x(2, 12, 2, 6).long() - 1)),  # type: ignore[call-arg]
        r"index is -1 at \[0, 0, 0, 0\], wanted row numbers in 0…5",
    ),
    "two": (lambda: replace(_with("beta", 3.0), v=torch.full((2, 12, 2, 2, 4), NAN)), r"beta is 3 at .*; v is nan at"),
}


@pytest.mark.parametrize("fault", VALUES)
def test_values_in_checked_mode(fault):
    make, message = VALUES[fault]
    bad = make()
    with checked(), pytest.raises(ValueError, match=message):
        bad.run()


def test_checked_mode_ends_and_good_input_passes():
    bad = _with("v", NAN)
    with checked():
        of().run()
        with checked():
            pass
        with pytest.raises(ValueError, match="v is nan"):
            bad.run()
    assert bad.run()[0].isnan().any()  # off again: nothing is looked at


def test_sizes_that_only_show_in_the_values():
    """A Scalar cannot know K but by its size."""
    A = Scalar(log_decay=x(1, 3, 1), size=5)
    with pytest.raises(ValueError, match=r"k has shape \(1, 3, 1, 4\), wanted \(1, 3, 1, 5\)"):
        recurrence(A, x(1, 3, 1, 4), x(1, 3, 1, 2), x(1, 3, 1, 5))


def test_dtypes_of_one_structure_may_differ():
    """float32 decays beside bfloat16 keys are promoted, as autocast leaves them."""
    plain = of("householder scalar").to(torch.float32)
    assert isinstance(plain.A, Householder)
    mixed = replace(plain, A=replace(plain.A, k=plain.A.k.to(torch.bfloat16)), v=plain.v.to(torch.bfloat16))
    mixed = replace(mixed, k=mixed.A.k)  # type: ignore[attr-defined]
    y, state = mixed.run()
    assert (y.dtype, state.dtype) == (torch.bfloat16, torch.float32)
