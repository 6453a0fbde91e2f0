"""How much room the recurrences take on Hopper, at the sizes of the contests: what the host asks for, without a GPU."""

import json
from pathlib import Path

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.gpu_contests import CONTESTS, Size, sizes_of
from lrnn.backends.triton import launch, rows, rows_call

RESULTS = max((Path(__file__).parents[2] / "benchmarks" / "results").glob("nvidia-*.json"))
PEERS = json.loads(RESULTS.read_text())["parts"]["contests"]
"""What the others took, as measured."""

AIMED = [
    (op, size) for op, size in sizes_of(CONTESTS, lengths=False) if CONTESTS[op].target and f"{op} {size}" in PEERS
]


class Peak(TorchDispatchMode):
    """The most bytes that tensors made in here had at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            storage = out.untyped_storage()
            self.live[storage._cdata] = (StorageWeakRef(storage), -(-storage.nbytes() // 512) * 512)
        self.live = {key: entry for key, entry in self.live.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.live.values()))
        return out


@pytest.fixture
def hopper(monkeypatch):
    """Launches and compilers are out of the way, and the GPU is said to be one of Hopper."""
    monkeypatch.setattr(launch.Launch, "start", lambda *launched: None)
    monkeypatch.setattr(rows, "_at_once", lambda *tensors: True)
    monkeypatch.setattr(rows_call.Call, "generation", 9)
    monkeypatch.setattr(rows_call.Call, "processors", 132)
    rows_call.known_call.cache_clear()
    yield
    rows_call.known_call.cache_clear()


def empty(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta", requires_grad=True)


def peak(op: str, size: Size) -> int:
    """Of a forward with backward, beyond the inputs, with the results."""
    contest, places = CONTESTS[op], (size.B, size.T, size.H)
    R = contest.reflectors or 1
    given = {
        "q": empty(size.B, size.T, size.G, size.K),
        "key": empty(size.B, size.T, size.G, R, size.K),
        "b": None,
        "beta": empty(*places, R, dtype=torch.float32) if contest.reflectors or op == "ssd" else None,
        "v": empty(*places, R, size.V),
        "log_decay": empty(*places, dtype=torch.float32) if op.startswith("gated") or not contest.reflectors else None,
    }
    leaves, dy = [x for x in given.values() if x is not None], empty(*places, size.V).detach()
    for _ in range(2):  # at first it is written down, which makes tensors without memory
        with Peak() as found:  # the last state is dropped
            solves = contest.reflectors is not None
            y = rows.scan_rows(**given, state=None, erases=solves, writes=solves)[0]
            kept = torch.autograd.grad(y, leaves, dy)
        assert len(kept) == len(leaves)
    return found.peak


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("op, size", AIMED, ids=str)
def test_a_contest_takes_no_more_than_is_aimed_at(op, size, hopper):
    target = CONTESTS[op].target
    assert target is not None
    (theirs,) = (entry["bytes"] for name, entry in PEERS[f"{op} {size}"]["entries"].items() if name != "lrnn")
    assert 0.1 * theirs < peak(op, size) <= target.memory * theirs


@pytest.mark.parametrize(
    "solves, save, segments, leads",
    [(True, True, 5, True), (True, False, 5, True), (False, True, 4, False), (False, False, 8, False)],
)
def test_segments_fill_the_gpu(solves, save, segments, leads, hopper):
    places = (1, 32768, 16)
    q, v = torch.empty(*places, 128, dtype=torch.bfloat16, device="meta"), torch.empty(*places, 1, 128, device="meta")
    beta = torch.empty(*places, 1, device="meta") if solves else None
    given = rows_call.Inputs(q, q.unsqueeze(-2), None, beta, v.bfloat16(), torch.empty(places, device="meta"))
    layout = rows_call.call_of(given, (), 1, False, False, True, False, 0, save=save).layout
    assert (layout.num_segments, layout.leads) == (segments, leads)


def test_what_is_made_and_dropped_counts_once():
    with Peak() as found:
        for _ in range(3):
            torch.empty(1024, dtype=torch.float32, device="meta")
        torch.empty(1024, dtype=torch.float32, device="meta").view(2, 512)
    assert found.peak == 4096
