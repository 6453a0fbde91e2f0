"""What every structure obeys as a family of matrices; a new one joins by its row in tests/cases.py."""

import pytest
import torch

from lrnn import Dense, Diagonal, Householder, Scalar
from tests.calls import error, tolerance
from tests.cases import STRUCTURES, definition, normal

LEADING, K, V = (2, 3, 2), 6, 4
EXACT = tolerance(torch.float64, K)


def make(name, seed=0, leading=LEADING, K=K):
    return STRUCTURES[name].make(torch.Generator().manual_seed(seed), leading, K)


def state_for(A, seed=5):
    x = normal(torch.Generator().manual_seed(seed), *A.shape, V)
    return x.to(torch.complex128) if A.complex else x


@pytest.mark.parametrize("K", [1, 6, 16, 60])
@pytest.mark.parametrize("name", STRUCTURES)
def test_dense_is_the_definition(name, K):
    A = make(name, K=K)
    assert error(A.dense(), definition(name, A)) <= EXACT


@pytest.mark.parametrize("name", STRUCTURES)
def test_apply_is_dense_times_state(name):
    A = make(name)
    S = state_for(A)
    assert error(A.apply(S), definition(name, A) @ S) <= EXACT


@pytest.mark.parametrize("name", STRUCTURES)
def test_apply_broadcasts(name):
    """One state for all matrices, and one matrix for all states."""
    A = make(name)
    S = state_for(A)
    assert error(A.apply(S[:1, :1, :1]), definition(name, A) @ S[:1, :1, :1]) <= EXACT
    assert error(A[0, 0].apply(S), definition(name, A)[0, 0] @ S) <= EXACT


@pytest.mark.parametrize("name", STRUCTURES)
def test_widen_keeps_the_matrix_and_ends_in_dense(name):
    A = make(name)
    chain = A.widenings()
    assert isinstance(chain[-1], Dense)
    assert chain[-1].widen() is chain[-1]
    for wider in chain:
        assert wider.shape == A.shape
        assert error(wider.dense(), definition(name, A)) <= EXACT
        assert error(wider.apply(state_for(A)), definition(name, A) @ state_for(A)) <= EXACT


@pytest.mark.parametrize("left", STRUCTURES)
def test_product_is_the_product_of_the_matrices(left):
    """With every structure on the right."""
    A = make(left, 1, (3, 2))
    for right in STRUCTURES:
        B = make(right, 2, (3, 2))
        AB = A @ B
        want = Dense(matrix=definition(left, A)).apply(definition(right, B))
        S = state_for(AB)
        assert error(AB.dense(), want) <= EXACT, right
        assert error(AB.apply(S), Dense(matrix=want).apply(S)) <= EXACT, right
        assert AB.complex == (A.complex or B.complex), right
        if type(A) is type(B) and A.closed:
            assert type(AB) is type(A), right


@pytest.mark.parametrize("name", STRUCTURES)
def test_product_with_something_else(name):
    with pytest.raises(TypeError):
        make(name) @ torch.eye(K)  # type: ignore[operator]


@pytest.mark.parametrize("name", [name for name in STRUCTURES if make(name).closed])
def test_a_closed_product_keeps_its_size(name):
    """What makes a parallel scan affordable."""
    A = make(name)
    product = A @ make(name, 3)
    assert {n: t.shape for n, t in product.tensors().items()} == {n: t.shape for n, t in A.tensors().items()}


@pytest.mark.parametrize("name", STRUCTURES)
def test_transpose(name):
    A = make(name)
    assert error(A.mT.dense(), definition(name, A).mT) <= EXACT
    assert error(A.mT.mT.dense(), definition(name, A)) <= EXACT


@pytest.mark.parametrize("index", [0, -1, slice(1, 3), (slice(None), 1), (1, slice(None, 2), 0), (None, 0)], ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_index(name, index):
    A = make(name)
    want = definition(name, A)[index]
    got = A[index]
    assert type(got) is type(A)
    assert got.shape == tuple(want.shape[:-1])
    assert error(got.dense(), want) <= EXACT


@pytest.mark.parametrize("name", STRUCTURES)
def test_index_out_of_the_leading_axes(name):
    A = make(name)
    with pytest.raises(IndexError, match=r"at most 3 indices, got 4"):
        A[0, 0, 0, 0]
    with pytest.raises(IndexError, match=r"leading axes"):
        A[..., 0]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", STRUCTURES)
def test_unbind(name, axis):
    A = make(name)
    parts = A.unbind(axis)
    assert len(parts) == LEADING[axis]
    assert all(type(part) is type(A) for part in parts)
    assert error(torch.stack([part.dense() for part in parts], dim=axis), definition(name, A)) <= EXACT


@pytest.mark.parametrize("name", STRUCTURES)
def test_words_about_it(name):
    A = make(name)
    assert A.shape == (*LEADING, K)
    assert A.leading == LEADING
    assert A.dtype == A.dense().dtype
    assert A.device == torch.device("cpu")
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        if any(tensor.is_complex() for tensor in A.tensors().values()):
            continue
        narrow = A.to(dtype)
        assert all(t.dtype in (dtype, torch.int64) for t in narrow.tensors().values())
        wide = torch.promote_types(dtype, torch.float32)
        assert narrow.dtype == (wide.to_complex() if A.complex else wide if getattr(A, "normalize", False) else dtype)
        assert narrow.dense().dtype == narrow.dtype


@pytest.mark.parametrize("name", STRUCTURES)
def test_gradients_pass_through_dense(name):
    A = make(name)
    leaves = {n: t.clone().requires_grad_(t.dtype != torch.int64) for n, t in A.tensors().items()}
    leaves = {n: t for n, t in leaves.items() if t.requires_grad and not n.endswith("sign")}
    A = A._with(A.tensors() | leaves)
    ours, truth = A.dense(), definition(name, A)
    weight = normal(torch.Generator().manual_seed(9), *truth.shape)
    got = torch.autograd.grad((ours * weight).real.sum(), list(leaves.values()), retain_graph=True)
    want = torch.autograd.grad((truth * weight).real.sum(), list(leaves.values()))
    for x, y in zip(got, want):
        assert error(x, y) <= EXACT


@pytest.mark.parametrize("value", [1.0, -1.0, 0.5, -0.5, 1e-3, 1e-8, -1e-15, 0.0, -0.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", ["scalar", "diagonal"])
def test_from_a_signed_value(kind, dtype, value):
    """`of(a)` is the matrix a, with d matrix / d a = 1 at every a, 0 included."""
    a = torch.full((3,), value, dtype=dtype, requires_grad=True)
    A = Scalar.of(a, size=1) if kind == "scalar" else Diagonal.of(a)
    diagonal = A.dense().diagonal(dim1=-2, dim2=-1).reshape(3)
    assert (diagonal - a).abs().max() <= 4 * torch.finfo(dtype).eps * abs(value) + 1e-19
    (gradient,) = torch.autograd.grad(diagonal.sum(), a)
    # exp(log a) has a relative error of |log a| ulp
    assert (gradient - 1).abs().max() <= 64 * torch.finfo(dtype).eps


def test_of_is_differentiable_in_every_way():
    a = torch.tensor([0.9, -0.3, 0.01], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: Diagonal.of(a).dense(), (a,))
    per_sample = torch.func.vmap(torch.func.grad(lambda a: (3 * Scalar.of(a, size=2).dense()).sum()))(a.detach())
    assert error(per_sample, torch.full((3,), 6.0)) <= EXACT


def test_normalize_makes_rounded_reflections_exact():
    """β = 2 over kᵀk of the k given: orthogonal to the working precision although k is rounded to bfloat16."""
    g = torch.Generator().manual_seed(0)
    k = normal(g, 50, 1, 64)
    k = (k / k.norm(dim=-1, keepdim=True)).to(torch.bfloat16).to(torch.float64)
    beta = torch.full((50, 1), 2.0, dtype=torch.float64)
    eye = torch.eye(64, dtype=torch.float64)

    def off(normalize):
        H = Householder(k=k, beta=beta, normalize=normalize).dense()
        return (H @ H.mT - eye).abs().max().item()

    assert off(normalize=True) <= 1e-14
    assert off(normalize=False) >= 1e-4


def test_order_of_the_factors():
    """Reflector 1 acts first, the decay before it."""
    k = torch.eye(2, dtype=torch.float64)
    first, second = k[0] - k[1], k[0]
    decay = Diagonal(log_decay=torch.tensor([0.0, -1.0], dtype=torch.float64))
    A = Householder(k=torch.stack([first, second]), beta=torch.tensor([1.0, 2.0]).double(), decay=decay)
    swap, flip = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double(), torch.diag(torch.tensor([-1.0, 1.0]).double())
    assert error(A.dense(), flip @ swap @ decay.dense()) <= EXACT
    assert error(A.dense(), swap @ flip @ decay.dense()) > 0.1
