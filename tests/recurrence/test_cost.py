"""What a call costs: memory of the chunked algorithm linear in T, no chunk work for one step."""

import pytest
import torch

from lrnn import Chunked, recurrence
from tests.calls import call


def saved_bytes(of, algorithm) -> int:
    """Bytes of distinct memory that the graph keeps for the backward, beyond the arguments."""
    of = of.leaves()
    given = {tensor.untyped_storage().data_ptr() for tensor in (*of.tensors().values(), *of.A.tensors().values())}
    kept: dict[int, int] = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in given:
            kept[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)  # so that no address is used twice
        return tensor

    alive: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        of.run(algorithm=algorithm)
    return sum(kept.values())


@pytest.mark.parametrize("name", ["scalar signs", "diagonal", "householder delta", "householder scalar"])
def test_memory_of_chunked_is_linear_and_far_below_all_states(name):
    K = V = 64
    sizes = {T: saved_bytes(call(name, (1, T, 1, K, V)).to(torch.float32), Chunked()) for T in (512, 1024, 2048)}
    assert 1.8 <= (sizes[2048] - sizes[1024]) / (sizes[1024] - sizes[512]) <= 2.2
    all_states = 4 * 2048 * K * V
    assert sizes[2048] <= all_states / 4, f"{sizes[2048] / all_states:.2f} of T·K·V numbers"


def test_the_measure_of_memory_sees_all_states():
    """The parallel scan keeps T·K·V numbers and more, and the measure says so."""
    from lrnn import Associative

    of = call("diagonal", (1, 256, 1, 32, 32)).to(torch.float32)
    assert saved_bytes(of, Associative()) > 4 * 256 * 32 * 32


@pytest.mark.parametrize("name", ["scalar", "diagonal resets", "householder scalar", "householder R=2", "dplr"])
def test_a_decoding_step_does_no_chunk_work(name, monkeypatch):
    import sys

    def refuse(*args, **kwargs):
        raise AssertionError("chunk work")

    module = sys.modules["lrnn.recurrence.recurrence"]
    monkeypatch.setattr(module, "chunked", refuse)
    one = call(name, (1, 1, 2, 6, 4))
    one.run()
    with pytest.raises(AssertionError, match="chunk work"):
        call(name, (1, 100, 2, 6, 4)).run()


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("name", ["scalar", "householder scalar", "householder R=2"])
def test_a_decoding_step_allocates_the_same_at_every_position(name):
    """One step touches O(K·V) memory, whatever came before it."""
    from torch.profiler import ProfilerActivity, profile

    of = call(name, (1, 40, 1, 6, 4)).to(torch.float32)
    state, seen = of.state, []
    with torch.no_grad():
        for t in range(40):
            step = of.steps(slice(t, t + 1), state)
            if t not in (5, 39):
                _, state = step.run()
                continue
            with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
                _, state = step.run()
            seen.append(sum(max(event.self_cpu_memory_usage, 0) for event in record.key_averages()))
    assert seen[0] == seen[1] > 0


def test_inputs_are_not_written_to():
    for name in ("diagonal resets", "householder R=2 diagonal resets", "dplr R=3 complex"):
        of = call(name, (1, 70, 1, 6, 4))
        before = {key: x.clone() for key, x in (of.tensors() | of.A.tensors()).items()}
        for algorithm in (None, Chunked(16)):
            recurrence(of.A, of.k, of.v, of.q, state=of.state, algorithm=algorithm)
        assert all(torch.equal(before[key], x) for key, x in (of.tensors() | of.A.tensors()).items())
