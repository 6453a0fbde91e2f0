"""What torch does to functions, done to the recurrence: vmap, compile, export, gradients of gradients."""

from dataclasses import replace

import pytest
import torch

from lrnn import Chunked, Householder, Scalar, Sequential, recurrence
from tests.calls import call, error, results, tolerance
from tests.cases import STRUCTURES, normal

FEW = [
    "scalar signs",
    "diagonal resets",
    "complex diagonal",
    "householder delta",
    "householder R=2 scalar signs",
    "dplr",
]
PLAIN = torch.float64


@pytest.mark.no_shape_checks  # the checks count axes, vmap hides one
@pytest.mark.parametrize("algorithm", [Sequential(), Chunked(4)], ids=str)
@pytest.mark.parametrize("name", [*FEW, "permutation", "dense"])
def test_vmap(name, algorithm):
    """Over an axis of the transition and everything else: values and gradients are those of the loop."""
    calls = [call(name, (1, 9, 2, 6, 3), seed=n) for n in range(3)]
    stacked = {key: torch.stack([of.tensors()[key] for of in calls]) for key in calls[0].tensors()}
    signs = {
        key: torch.stack([of.A.tensors()[key] for of in calls])
        for key, x in calls[0].A.tensors().items()
        if f"A.{key}" not in stacked
    }

    def rebuild(tensors, fixed):
        of = calls[0]
        A = of.A._with(fixed | {key[2:]: x for key, x in tensors.items() if key.startswith("A.")})
        k = A.k if of.delta else tensors["k"]  # type: ignore[attr-defined]
        return replace(of, A=A, k=k, v=tensors["v"], q=tensors["q"], state=tensors["state"])

    def run(tensors, fixed):
        return rebuild(tensors, fixed).run(algorithm=algorithm)

    def loss(tensors, fixed):
        y, state = run(tensors, fixed)
        return (y.real**2).sum() + state.abs().pow(2).sum()

    y, state = torch.func.vmap(run)(stacked, signs)
    for n, of in enumerate(calls):
        want_y, want_state = of.run(algorithm=algorithm)
        assert error(y[n], want_y) <= tolerance(PLAIN, 9)
        assert error(state[n], want_state) <= tolerance(PLAIN, 9)

    gradients = torch.func.vmap(torch.func.grad(loss))(stacked, signs)
    for n in range(len(calls)):
        leaves = {key: x[n].clone().requires_grad_() for key, x in stacked.items()}
        want = torch.autograd.grad(loss(leaves, {key: x[n] for key, x in signs.items()}), list(leaves.values()))
        for key, d in zip(leaves, want):
            assert error(gradients[key][n], d) <= tolerance(PLAIN, 9), key


@pytest.mark.no_shape_checks
def test_vmap_over_a_transition_itself():
    """Structures are pytrees whose leaves are their tensors, so vmap takes one as an argument."""
    of = call("householder scalar", (1, 9, 1, 6, 3))
    A = of.A.map(lambda x: torch.stack([x, 0.5 * x]))
    y, _ = torch.func.vmap(lambda A: recurrence(A, of.k, of.v, of.q, algorithm=Sequential()))(A)
    half = of.A.map(lambda x: 0.5 * x)
    want, _ = recurrence(half, of.k, of.v, of.q, algorithm=Sequential())
    assert error(y[1], want) <= tolerance(PLAIN, 9)


@pytest.mark.parametrize("algorithm", [Sequential(), Chunked(4)], ids=str)
@pytest.mark.parametrize("name", FEW)
def test_gradcheck(name, algorithm):
    of = call(name, (1, 6, 1, 3, 2)).leaves()
    # away from β = 2 and log_decay = 0 nothing special happens there, so finite differences may cross them
    names, leaves = zip(*of.tensors().items())

    def run(*leaves):
        tensors = dict(zip(names, leaves))
        A = of.A._with(of.A.tensors() | {key[2:]: x for key, x in tensors.items() if key.startswith("A.")})
        k = A.k if of.delta else tensors["k"]  # type: ignore[attr-defined]
        return replace(of, A=A, k=k, v=tensors["v"], q=tensors["q"], state=tensors["state"]).run(algorithm=algorithm)

    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)
    if isinstance(algorithm, Sequential):
        assert torch.autograd.gradgradcheck(run, leaves, fast_mode=True)


def test_chunked_has_one_derivative_and_says_so():
    of = call("householder delta", (1, 12, 1, 4, 3)).leaves()
    y, _ = of.run(algorithm=Chunked(4))
    (dv,) = torch.autograd.grad(y.square().sum(), of.v, create_graph=True)
    with pytest.raises(RuntimeError, match=r"Chunked has no second derivative; use algorithm=Sequential"):
        dv.sum().backward()


COMPILED = [
    ("complex diagonal", 9, Chunked(4)),
    ("householder R=2 scalar signs", 9, Chunked(4)),
    ("householder delta", 9, None),
    ("householder scalar", 1, None),
]


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, while it traces
def test_compiled_is_eager():
    """torch.compile(fullgraph=True): values and gradients, the chunked algorithm and a decoding step."""
    for name, T, algorithm in COMPILED:
        torch.compiler.reset()
        of = call(name, (1, T, 2, 6, 3)).to(torch.float32)
        # aot_eager: the graph and its backward are captured and replayed, without a C++ compiler
        run = torch.compile(recurrence, fullgraph=True, backend="aot_eager")
        got = results(of, lambda of: run(of.A, of.k, of.v, of.q, state=of.state, algorithm=algorithm))
        want = results(of, lambda of: of.run(algorithm=algorithm))
        for key, x in want.items():
            assert error(got[key], x) <= tolerance(torch.float32, T), (name, T, key)


class Step(torch.nn.Module):
    """One decoding step of a gated delta rule, as a model would have it."""

    def __init__(self) -> None:
        super().__init__()
        self.key = torch.nn.Linear(8, 4)

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        k = torch.nn.functional.normalize(self.key(x), dim=-1)[:, :, None, None]
        decay = Scalar(log_decay=-x[..., :1].exp(), size=4)
        A = Householder(k=k, beta=2 * x[..., 1:2, None].sigmoid(), decay=decay)
        y, state = recurrence(A, A.k, x[:, :, None, None, 2:5], x[:, :, None, 4:], state=state)
        return y, state


@pytest.mark.compiled
def test_export_of_one_step():
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = Step().double()
    x, state = normal(g, 2, 1, 8), normal(g, 2, 1, 4, 3)
    program = torch.export.export(model, (x, state))
    other = normal(g, 2, 1, 8), normal(g, 2, 1, 4, 3)
    for got, want in zip(program.module()(*other), model(*other)):
        assert error(got, want) <= tolerance(PLAIN, 1)


def test_every_structure_is_a_pytree():
    from torch.utils import _pytree as pytree

    for name in STRUCTURES:
        A = call(name, (1, 3, 1, 4, 2)).A
        leaves, spec = pytree.tree_flatten(A)
        assert all(isinstance(leaf, torch.Tensor) for leaf in leaves)
        again = pytree.tree_unflatten(leaves, spec)
        assert type(again) is type(A)
        assert torch.equal(again.dense(), A.dense())
        assert spec == pytree.tree_structure(call(name, (1, 3, 1, 4, 2), seed=1).A)
