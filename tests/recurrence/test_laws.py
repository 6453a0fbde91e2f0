"""Every algorithm × structure × dtype is the definition: values, last state and all gradients."""

from dataclasses import replace

import pytest
import torch

from lrnn import DPLR, Chunked, Diagonal, Householder, Scalar, recurrence
from tests.calls import ALGORITHMS, SIZES, call, compare, definition, error, results, tolerance, truth, weighed
from tests.cases import STRUCTURES, log_decays, normal, unit

WIDE = [torch.float64, torch.float32]
NARROW = [torch.bfloat16, torch.float16]


def check(name, size, dtype, algorithm, state=True):
    got = results(call(name, size, state=state).to(dtype), lambda of: of.run(algorithm=ALGORITHMS[algorithm]))
    compare(got, truth(name, size, dtype, state=state), size[1])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_algorithm_is_definition(name, size, dtype, algorithm):
    check(name, size, dtype, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_narrow_inputs(name, dtype, algorithm):
    """bfloat16 and float16 inputs against float64 on the same rounded inputs: nothing but the output is rounded."""
    check(name, (2, 35, 1, 6, 4), dtype, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "name", ["scalar signs", "householder delta", "householder R=2", "dplr", "permutation", "dense"]
)
def test_no_first_state_is_zero(name, algorithm):
    check(name, (1, 70, 1, 6, 4), torch.float64, algorithm, state=False)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_strengths_multiply_what_is_written(name, dtype, algorithm):
    """And the product with v is not rounded."""
    of = weighed(call(name, (2, 35, 1, 6, 4))).to(dtype)
    got = results(of, lambda of: of.run(algorithm=ALGORITHMS[algorithm]))
    compare(got, results(of.to(torch.float64), definition), 35)


def test_strengths_have_a_dtype_of_their_own():
    of = weighed(call("scalar", (1, 20, 1, 6, 4)))
    narrow = replace(of.to(torch.bfloat16), strength=of.to(torch.float32).strength)
    exact = replace(narrow.to(torch.float64), strength=of.to(torch.float32).to(torch.float64).strength)
    got = results(narrow, lambda of: of.run())
    assert got["y"].dtype == got["d v"].dtype == torch.bfloat16
    assert got["last state"].dtype == got["d strength"].dtype == torch.float32
    compare(got, results(exact, definition), 20)
    _, state = replace(of.to(torch.float32), strength=of.strength).run()
    assert state.dtype == torch.float64


LONG = ["scalar signs", "diagonal", "complex diagonal", "householder delta", "householder R=2"]


@pytest.mark.no_shape_checks  # 4096 checked steps take seconds
@pytest.mark.parametrize("algorithm", ["chunked", "associative"])
@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("name", LONG)
def test_long(name, dtype, algorithm):
    """4096 steps: the tolerance is no wider than the promise for every length."""
    check(name, (1, 4096, 1, 4, 3), dtype, algorithm)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("name", ["scalar signs", "householder delta"])
def test_long_one_after_the_other(name):
    check(name, (1, 4096, 1, 4, 3), torch.float32, "sequential")


# ---- edges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("log_decay", [0.0, -2.0, -30.0])
@pytest.mark.parametrize(
    "name", ["scalar signs", "diagonal", "householder scalar", "householder R=2 diagonal resets", "dplr"]
)
def test_every_decay_at_the_edge(name, log_decay, dtype, algorithm):
    """Even at exp(-30) the gradient of the decay itself is right, relative to its own size of 1e-13."""
    of = call(name, (1, 70, 1, 6, 4)).to(dtype)
    tensors = of.A.tensors()
    changed = {key: torch.full_like(x, log_decay) for key, x in tensors.items() if key.endswith("log_decay")}
    of = replace(of, A=of.A._with(tensors | changed))
    got = results(of, lambda of: of.run(algorithm=ALGORITHMS[algorithm]))
    compare(got, results(of.to(torch.float64), definition), 70)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("name", ["householder", "householder delta R=3 normalize"])
def test_every_beta_at_the_edge(name, beta, dtype, algorithm):
    of = call(name, (1, 130, 1, 6, 4)).to(dtype)
    of = replace(of, A=replace(of.A, beta=torch.full_like(of.A.beta, beta)))  # type: ignore[call-arg,attr-defined]
    got = results(of, lambda of: of.run(algorithm=ALGORITHMS[algorithm]))
    compare(got, results(of.to(torch.float64), definition), 130)


def _signed(kind, a, k):
    match kind:
        case "scalar":
            return Scalar.of(a[..., 0], size=a.shape[-1])
        case "diagonal":
            return Diagonal.of(a)
        case "householder":
            return Householder(k=k[..., None, :], beta=a.new_ones(*a.shape[:3], 1), decay=Diagonal.of(a))
    return DPLR(decay=Diagonal.of(a), a=-0.5 * k[..., None, :], b=k[..., None, :])


def _signed_matrix(kind, a, k):
    eye = torch.eye(a.shape[-1], dtype=a.dtype)
    outer = k[..., :, None] * k[..., None, :]
    match kind:
        case "scalar":
            return a[..., :1, None] * eye
        case "diagonal":
            return torch.diag_embed(a)
        case "householder":
            return (eye - outer) @ torch.diag_embed(a)
    return torch.diag_embed(a) - 0.5 * outer


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("small", [0.0, 1e-12, -1e-6, 1e-3])
@pytest.mark.parametrize("kind", ["scalar", "diagonal", "householder", "dplr"])
def test_gradient_of_a_signed_decay_near_zero(kind, small, dtype, algorithm):
    """`Scalar.of` and `Diagonal.of`: the gradient with respect to a itself, at and near a = 0."""
    from lrnn import Dense, Sequential

    g = torch.Generator().manual_seed(3)
    T, K = 40, 6
    a = 2 * torch.rand(1, T, 1, K, generator=g, dtype=torch.float64) - 1
    a[0, [5, 21, 22]] = small
    a[0, 30, 0, :2] = small
    k, v, q = (unit(normal(g, 1, T, 1, K)) for _ in range(3))
    a, k, v, q = (x.to(dtype) for x in (a, k, v, q))

    def gradients(dtype, make, **options):
        leaves = [x.to(dtype, copy=True).requires_grad_() for x in (a, k, v, q)]
        A = make(kind, *leaves[:2])  # type: ignore[call-arg]
        writes = [x[..., None, :] if isinstance(A, Householder) else x for x in leaves[1:3]]
        y, state = recurrence(A, writes[0], writes[1], leaves[3], **options)
        return torch.autograd.grad(y.sum() + state.square().sum(), leaves)

    # as a Dense recurrence, where a enters without any logarithm
    def dense(kind, a, k):
        return Dense(matrix=_signed_matrix(kind, a, k))

    want = gradients(torch.float64, dense, algorithm=Sequential())
    got = gradients(dtype, _signed, algorithm=ALGORITHMS[algorithm])
    off = {name: error(x, y) for name, x, y in zip(("a", "k", "v", "q"), got, want)}
    assert all(value <= tolerance(dtype, T) for value in off.values()), off


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", ["scalar", "diagonal", "householder R=2 scalar signs", "householder diagonal", "dplr"])
def test_a_zero_sign_is_a_reset(kind, algorithm):
    """Nothing of the past comes through, to the last bit, and no gradient goes back."""
    of = call(kind, (1, 40, 1, 6, 4)).leaves()
    decay = of.A if isinstance(of.A, Scalar | Diagonal) else of.A.decay  # type: ignore[attr-defined]
    sign = torch.ones_like(decay.log_decay)
    sign[:, 20] = 0
    decay = replace(decay, sign=sign)
    A = decay if isinstance(of.A, Scalar | Diagonal) else replace(of.A, decay=decay)  # type: ignore[call-arg]
    if isinstance(A, DPLR):  # D = 0, and no rank-one term either at that step
        A = replace(A, a=A.a * sign[..., None, :])
    of = replace(of, A=A)
    y, state = of.run(algorithm=ALGORITHMS[algorithm])
    assert of.state is not None
    early = torch.autograd.grad(y[:, 20:].sum() + state.sum(), [of.state, of.v], retain_graph=True)
    assert early[0].eq(0).all()
    assert early[1][:, :20].eq(0).all()
    assert early[1][:, 20:].ne(0).any()
    other = replace(of, state=of.state + 100.0)
    again, last = other.run(algorithm=ALGORITHMS[algorithm])
    assert torch.equal(again[:, 20:], y[:, 20:])
    assert torch.equal(last, state)
    assert not torch.equal(again[:, :20], y[:, :20])


def test_zero_key_under_normalize_is_the_identity():
    of = call("householder R=4 normalize", (1, 20, 1, 6, 4))
    A = replace(of.A, k=torch.zeros_like(of.A.k))  # type: ignore[call-arg,attr-defined]
    quiet = replace(of, A=A, v=torch.zeros_like(of.v)).leaves()
    for algorithm in ALGORITHMS.values():
        y, state = quiet.run(algorithm=algorithm)
        assert quiet.state is not None
        assert torch.equal(state, quiet.state)
        gradients = torch.autograd.grad(y.sum() + state.sum(), list(quiet.tensors().values()), allow_unused=True)
        assert all(d is None or d.isfinite().all() for d in gradients)


def test_the_table_of_decays_has_its_edges():
    """The laws above mean what they say only if the random arguments contain the edge values."""
    g = torch.Generator().manual_seed(0)
    drawn = log_decays(g, 1000)
    assert (drawn == 0).any()
    assert (drawn == -30).any()
    betas = call("householder R=4 normalize", SIZES[3]).A.beta  # type: ignore[attr-defined]
    for edge in (0.0, 1.0, 2.0):
        assert (betas == edge).any()
    signs = call("diagonal resets", SIZES[3]).A.sign  # type: ignore[attr-defined]
    assert set(signs.unique().tolist()) == {-1.0, 0.0, 1.0}


def test_the_tolerance_is_never_wider_than_the_promise():
    for length in (1, 64, 4096, 10**6):
        assert tolerance(torch.float64, length) <= 1e-12
        assert tolerance(torch.float32, length) <= 1e-5
    assert tolerance(torch.float32, 1) < tolerance(torch.float32, 2) <= tolerance(torch.float32, 4096)


def test_a_wrong_result_is_seen():
    """The comparison itself can fail: one entry off, a NaN, a gradient left out."""
    name, size = "householder", SIZES[1]
    good = results(call(name, size), lambda of: of.run(algorithm=Chunked()))
    compare(good, truth(name, size, torch.float64), size[1])
    for broken in (
        good | {"d A.beta": good["d A.beta"] * (1 + 1e-11)},
        good | {"y": good["y"].clone().fill_(float("nan"))},
        {key: value for key, value in good.items() if key != "d q"},
    ):
        with pytest.raises(AssertionError):
            compare(broken, truth(name, size, torch.float64), size[1])
