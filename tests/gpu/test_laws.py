"""The kernels at real sizes, against the reference in float64 on the same rounded inputs."""

from dataclasses import replace

import pytest
import torch

from lrnn import Chunked, Householder, Packing, Scalar, plan, recurrence
from tests.backends.kernel_calls import compare, make, on_kernels
from tests.calls import Call, delta_rule, error, results, tolerance, weighed

DTYPES = [torch.float32, torch.bfloat16, torch.float16]

REAL = [
    "scalar",
    "diagonal",
    "complex diagonal",
    "householder delta",
    "householder scalar",
    "householder delta R=3 normalize",
    "householder R=2 scalar signs",
    "householder delta diagonal resets",
    "dplr",
]


def exactly(of: Call, **options) -> tuple[torch.Tensor, torch.Tensor]:
    return of.run(backend="reference", algorithm=Chunked(64), **options)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REAL)
def test_kernel_is_reference(name, dtype):
    size = (2, 2048, 2, 64, 64) if "complex" in name else (1, 4096, 2, 128, 128)
    of = make(name, size, dtype)
    got = results(of, on_kernels)
    compare(got, results(of.to(torch.float64), exactly), dtype, size[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [(1, 4096, 32, 128, 64), (4, 512, 32, 64, 64), (1, 2048, 2, 128, 128)], ids=str)
def test_strengths_and_shared_keys_as_mamba_2_has_them(size, dtype):
    """A long word that is cut, and short ones; every head has the same keys but for the last size."""
    of = weighed(make("scalar", size, dtype))
    of = replace(of, k=of.k[:, :, :1], q=of.q[:, :, :1]) if size[2] > 2 else of
    compare(results(of, on_kernels), results(of.to(torch.float64), exactly), dtype, size[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["householder delta", "householder delta R=3 scalar"])
def test_the_delta_rule_writes_beta_times_v(name, dtype):
    """Unrounded, and where beta is 0 its gradient is what would be written."""
    of = make(name, (1, 4096, 2, 128, 128), dtype)
    got = results(of, lambda of: on_kernels(delta_rule(of)))
    want = results(of.to(torch.float64), lambda of: exactly(delta_rule(of)))
    compare(got, want, dtype, 4096)
    idle = of.A.tensors()["beta"] == 0
    assert idle.any()
    assert error(got["d A.beta"][idle], want["d A.beta"][idle]) < 2e-2


@pytest.mark.parametrize("K", [64, 128])
def test_normalized_with_decays(K):
    """As layers call it: keys of about length 1, rounded, and β divided by kᵀk."""
    of = make("householder delta R=3 scalar", (2, 2048, 2, K, K), torch.bfloat16)
    assert isinstance(of.A, Householder)
    k = of.A.k * torch.linspace(0.5, 1.5, 2048, device=of.A.k.device)[:, None, None, None].to(of.A.k)
    of = replace(of, A=replace(of.A, k=k, normalize=True), k=k)
    compare(results(of, on_kernels), results(of.to(torch.float64), exactly), torch.bfloat16, 2048)


@pytest.mark.parametrize("lengths", [(1, 700, 64, 63, 65, 1, 1200, 2), (64, 1280, 128, 64)], ids=["any", "full"])
@pytest.mark.parametrize("name", ["householder delta", "diagonal", "scalar"])
def test_packed(name, lengths):
    packing = Packing(lengths)
    of = make(name, (1, packing.total, 4, 64, 64), torch.bfloat16, rows=len(lengths))
    got = results(of, lambda of: on_kernels(of, packing=packing))
    want = results(of.to(torch.float64), lambda of: exactly(of, packing=packing))
    compare(got, want, torch.bfloat16, 1200)


@pytest.mark.parametrize("name", REAL)
def test_two_runs_agree_to_the_last_bit(name):
    of = make(name, (2, 1000, 4, 64, 64), torch.bfloat16)
    first, second = results(of, on_kernels), results(of, on_kernels)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("size", [(1, 16384, 2, 128, 64), (2, 16384, 4, 64, 64)], ids=["cut", "pieces"])
@pytest.mark.parametrize("name", ["householder delta", "householder scalar", "householder R=2 scalar signs", "scalar"])
def test_long(name, size):
    """Cut into segments, the backward in pieces, for which the chain of states is repeated."""
    of = make(name, size, torch.bfloat16)
    compare(results(of, on_kernels), results(of.to(torch.float64), exactly), torch.bfloat16, size[1])


@pytest.mark.parametrize("K", [64, 128])
def test_reflections_keep_the_state(K):
    """65,536 reflections by bfloat16 keys, β = 2, no decay: the state in float64 on the same keys, to 1e-3."""
    g = torch.Generator().manual_seed(0)
    k = torch.randn(1, 65536, 1, 1, K, generator=g).bfloat16().cuda()
    A = Householder(k=k, beta=torch.full(k.shape[:-1], 2.0, device="cuda"), normalize=True)
    v, q = torch.zeros_like(k[..., :64]), torch.zeros_like(k[:, :, :, 0])
    start = torch.linalg.qr(torch.randn(K, 64, generator=g, dtype=torch.float64))[0].cuda()[None, None]
    _, state = recurrence(A, A.k, v, q, state=start.float(), backend="triton")
    exact = A.to(torch.float64)
    assert isinstance(exact, Householder)
    _, want = recurrence(exact, exact.k, v.double(), q.double(), state=start.float().double(), algorithm=Chunked(64))
    assert error(state, want) <= 1e-3


def test_more_numbers_than_an_int32_can_count():
    """2³¹ of k: what is read last is what a short word reads, for the decay forgets all before."""
    T, H, K = 2**20, 16, 128
    end = slice(T - 256, T)
    log_decay = torch.full((1, T, H), -1.0, device="cuda")
    tail = torch.Generator(device="cuda").manual_seed(0)
    k, v, q = (torch.zeros(1, T, H, K, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    for x in (k, v, q):
        x[:, end].normal_(generator=tail)
    y, state = recurrence(Scalar(log_decay=log_decay, size=K), k, v, q, backend="triton")
    want, last = recurrence(
        Scalar(log_decay=log_decay[:, end], size=K), k[:, end], v[:, end], q[:, end], backend="triton"
    )
    assert y[:, : end.start].eq(0).all()
    assert torch.equal(y[:, end], want)
    assert error(state, last) <= tolerance(torch.float32, 256)


def test_chosen_by_itself():
    for name in REAL:
        of = make(name, (1, 300, 2, 64, 64), torch.bfloat16)
        chosen = plan(of.A, of.k, of.v, of.q, state=of.state)
        assert (chosen.backend, chosen.kernel) == ("triton", "scan_rows")
        step = of.steps(slice(0, 1), of.state)
        assert plan(step.A, step.k, step.v, step.q, state=step.state).kernel == "step"
    dense = make("dense", (1, 20, 1, 16, 16), torch.float32)
    assert plan(dense.A, dense.k, dense.v, dense.q).backend == "reference"


@pytest.mark.parametrize("name", REAL)
def test_token_by_token_is_whole(name):
    of = make(name, (2, 40, 2, 64, 64), torch.float32)
    ys, state = [], of.state
    for t in range(40):
        y, state = on_kernels(of.steps(slice(t, t + 1), state))
        ys.append(y)
    want, last = exactly(of.to(torch.float64))
    assert state is not None
    assert error(torch.cat(ys, dim=1), want) <= tolerance(torch.float32, 40)
    assert error(state, last) <= tolerance(torch.float32, 40)


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, while it traces
def test_compiled_is_eager():
    of = make("householder R=2 scalar signs", (1, 300, 2, 64, 64), torch.bfloat16)
    run = torch.compile(recurrence, fullgraph=True, backend="aot_eager")
    got = results(of, lambda of: run(of.A, of.k, of.v, of.q, state=of.state))
    want = results(of, on_kernels)
    assert all(torch.equal(got[key], want[key]) for key in want)


@pytest.mark.parametrize("size", [(1, 300, 2, 64, 64), (2, 256, 2, 64, 64), (1, 8192, 2, 64, 64)], ids=str)
@pytest.mark.parametrize("name", ["householder scalar", "diagonal"])
def test_no_state_is_zeros(name, size):
    of = make(name, size, torch.bfloat16)
    assert of.state is not None
    zeros, none = replace(of, state=torch.zeros_like(of.state)), replace(of, state=None)
    want = results(zeros, on_kernels)
    for _ in range(2):  # each after the other: launches are kept for one form of arguments
        got = results(none, on_kernels)
        assert all(torch.equal(got[key], want[key]) for key in got)
        want = results(zeros, on_kernels)


def test_strided_inputs():
    """Views with strides of their own, as a layer makes them by splitting a projection."""
    of = make("householder scalar", (2, 200, 2, 64, 64), torch.bfloat16)
    wide = of.map(lambda x: torch.stack([x, x * float("nan")], dim=-1)[..., 0])
    y, state = on_kernels(of)
    again, last = on_kernels(replace(wide, k=wide.A.k))  # type: ignore[attr-defined]
    assert torch.equal(y, again)
    assert torch.equal(state, last)
