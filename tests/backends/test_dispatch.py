"""When a kernel is chosen, which one, and what is said where none is."""

from dataclasses import replace

import pytest
import torch

from lrnn import Associative, Chunked, Householder, NoKernel, Packing, Plan, Sequential, plan, recurrence
from lrnn.recurrence import kernels
from lrnn.recurrence.choice import Backend
from tests.backends.kernel_calls import SERVED, on_kernels
from tests.calls import Call, call


def of(name="householder delta", size=(1, 20, 1, 6, 4), dtype=torch.float32) -> Call:
    return call(name, size).to(dtype)


def planned(of: Call, backend: Backend | None = "triton", **options) -> Plan:
    return plan(of.A, of.k, of.v, of.q, state=of.state, backend=backend, **options)


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    """The rule is the same with and without Triton and its interpreter."""
    monkeypatch.setattr(kernels, "INSTALLED", True)
    monkeypatch.setattr(kernels, "INTERPRETED", True)


def on_cuda(monkeypatch, capability: int = 9) -> None:
    """The CPU in the part of a GPU, for the rule alone."""
    monkeypatch.setattr(kernels, "GPU", "cpu")
    monkeypatch.setattr(kernels, "generation", lambda device: capability)


@pytest.mark.parametrize("name", SERVED)
def test_every_structure_has_a_kernel(name, monkeypatch):
    on_cuda(monkeypatch)
    diagonal = "diagonal" in name and not name.startswith(("householder", "dplr"))
    for T, V, kernel in ((1, 4, "step"), (8, 4, "step"), (9, 4, "scan_rows"), (9, 1, "vector_scan")):
        chosen = planned(of(name, (1, T, 1, 6, V)), None)
        if V == 1 and not diagonal:
            kernel = "scan_rows"
        if kernel == "step" and name == "dplr R=3 complex":
            kernel = "scan_rows"
        assert (chosen.backend, chosen.kernel) == ("triton", kernel)
        assert chosen.algorithm == (Sequential() if kernel == "step" else Chunked())
        assert chosen.rejected["reference"] == "a kernel serves this call"
        assert f"backend 'triton' ({kernel})" in str(chosen)


def test_gradients_are_not_for_the_kernel_of_steps(monkeypatch):
    on_cuda(monkeypatch)
    leaves = of(size=(1, 8, 1, 6, 4)).leaves()
    assert planned(leaves, None).kernel == "scan_rows"
    with torch.no_grad():
        assert planned(leaves, None).kernel == "step"


def test_packed_words_of_one_step_are_a_batch(monkeypatch):
    on_cuda(monkeypatch)
    words = call("householder delta", (1, 3, 1, 6, 4), rows=3).to(torch.float32)
    assert planned(words, None, packing=Packing((1, 1, 1))).kernel == "step"
    words = call("householder delta", (1, 3, 1, 6, 4), rows=2).to(torch.float32)
    assert planned(words, None, packing=Packing((2, 1))).kernel == "scan_rows"


def test_what_is_named_is_what_runs(monkeypatch):
    on_cuda(monkeypatch)
    assert planned(of(), "reference").kernel is None
    assert planned(of(), None, algorithm=Chunked()).kernel == "scan_rows"
    short = of(size=(1, 4, 1, 6, 4))
    assert planned(short, None, algorithm=Sequential()).kernel == "step"
    assert planned(short, None, algorithm=Chunked()).kernel == "scan_rows"
    for algorithm in (Sequential(), Chunked(32), Associative()):
        chosen = planned(of(), None, algorithm=algorithm)
        assert (chosen.algorithm, chosen.kernel) == (algorithm, None)


REASONS = {
    "q": (lambda: replace(of(), q=None), {}, "q is None, and the kernels do not keep every state"),
    "dense": (lambda: of("dense"), {}, "Dense is not diagonal plus low rank"),
    "permutation": (lambda: of("permutation"), {}, "PermutationDiagonal is not diagonal plus low rank"),
    "double": (lambda: replace(of(), v=of().v.double()), {}, r"v in double precision, the kernels compute in float32"),
    "all double": (lambda: of(dtype=torch.float64), {}, r"A.k, A.beta, k, v, q, state in double precision"),
    "complex": (lambda: replace(of(), v=of().v * 1j), {}, "Householder with complex k, v, q or state"),
    "associative": (of, {"algorithm": Associative()}, r"Associative\(\) was named, the kernels take steps or chunks"),
    "chunks": (of, {"algorithm": Chunked(32)}, r"Chunked\(size=32\) was named, the kernels take chunks of 64"),
    "steps": (
        of,
        {"algorithm": Sequential()},
        r"Sequential\(\) was named: T = 20, the kernel for steps takes words of 8",
    ),
    "steps of words": (
        lambda: replace(of(), state=None),
        {"algorithm": Sequential(), "packing": Packing((2, 18))},
        r"Sequential\(\) was named: the longest word = 18, the kernel for steps takes packed words of 1",
    ),
    "gradient of a step": (
        lambda: of(size=(1, 2, 1, 6, 4)).leaves(),
        {"algorithm": Sequential()},
        r"Sequential\(\) was named: a gradient is wanted, the kernel for steps has none",
    ),
    "K": (lambda: of(size=(1, 9, 1, 257, 4)), {}, "K = 257, the kernels hold up to 256"),
    "V": (lambda: of(size=(1, 9, 1, 4, 300)), {}, "V = 300, the kernels hold up to 256"),
    "K of a vector": (lambda: of("diagonal", (1, 9, 1, 300, 1)), {}, "K = 300, the kernels hold up to 256"),
    "complex K": (lambda: of("complex diagonal", (1, 9, 1, 130, 4)), {}, "K = 130, .* up to 128 complex numbers"),
    "R": (
        lambda: replace(many := of_many(33), k=many.k * 1.0),
        {},
        "66 reflections and writes in a step, the kernels take up to 64",
    ),
}


def of_many(R: int) -> Call:
    g = torch.Generator().manual_seed(0)
    k, v = torch.randn(1, 9, 1, R, 4, generator=g), torch.randn(1, 9, 1, R, 2, generator=g)
    A = Householder(k=k, beta=torch.ones(1, 9, 1, R), normalize=True)
    return Call("householder delta", A, k, v, torch.randn(1, 9, 1, 4, generator=g), None)


@pytest.mark.parametrize("case", REASONS)
def test_reasons(case, monkeypatch):
    """By name it raises, and otherwise the reference runs and the plan has the same words."""
    make, options, reason = REASONS[case]
    call = make()
    with pytest.raises(NoKernel, match=f"backend 'triton' does not serve this call: {reason}"):
        recurrence(call.A, call.k, call.v, call.q, state=call.state, backend="triton", **options)
    on_cuda(monkeypatch)
    chosen = plan(call.A, call.k, call.v, call.q, state=call.state, **options)
    assert chosen.backend == "reference"
    with pytest.raises(NoKernel) as raised:
        plan(call.A, call.k, call.v, call.q, state=call.state, backend="triton", **options)
    assert str(raised.value).endswith(f": {chosen.rejected['triton']}")


def test_machines(monkeypatch):
    away = of().map(lambda x: x.to("meta"))
    with pytest.raises(NoKernel, match="tensors are on meta, the kernels run on cuda"):
        on_kernels(away)
    assert planned(of(), None).rejected["triton"] == "tensors are on cpu, the kernels run on cuda"
    monkeypatch.setattr(kernels, "INTERPRETED", False)
    with pytest.raises(NoKernel, match="tensors are on cpu, the kernels run on cuda"):
        on_kernels(of())
    on_cuda(monkeypatch, capability=7)
    with pytest.raises(NoKernel, match=r"the GPU has compute capability 7.x, the kernels need 8.0"):
        on_kernels(of())
    monkeypatch.setattr(kernels, "INSTALLED", False)
    assert planned(of(), None).rejected["triton"] == "Triton is not installed"


def test_transforms_of_functions_go_by_the_reference(monkeypatch):
    """The ops know no batching rule, so `vmap` and `torch.func.grad` see plain torch, as on the CPU."""
    on_cuda(monkeypatch)
    calls, seen = of(size=(1, 9, 1, 6, 4)), []

    def read(v):
        seen.append(planned(replace(calls, v=v), None))
        return replace(calls, v=v).run()[0].sum()

    torch.func.grad(read)(calls.v)
    assert seen[0].rejected["triton"] == "inside vmap, grad or another transform of torch.func"
    with pytest.raises(NoKernel, match="inside vmap, grad or another transform"):
        torch.func.grad(lambda v: on_kernels(replace(calls, v=v))[0].sum())(calls.v)
