"""Launches that were written down find the same again, whatever tensors they are read with."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lrnn.backends.triton import launch as launches
from lrnn.backends.triton import tape as tapes
from lrnn.backends.triton.launch import Launch
from lrnn.backends.triton.tape_writing import write_down

CPU = torch.device("cpu", 0)


class Add(Launch):
    """to = x + y + n, on tensors without an axis or with."""

    def __init__(self, beside=False) -> None:
        super().__init__(None, num_warps=4, beside=beside)

    def start(self, grid, *args: Any):
        x, y, n, to = args
        to.view(-1)[:] = x.view(-1) + (0 if y is None else y.view(-1)) + n


add, add_beside = Add(), Add(beside=True)


def sums(x, y):
    """x + 1, x + y + 3, and kept: x + 2, y + 4; by way of four others."""
    first, second, third, fourth = (torch.empty_like(x) for _ in range(4))
    add((1,), x, None, 1, first)
    add((1,), first, None, 1, second)
    add((1,), second, y, 1, third)
    add((1,), y, None, 4, fourth)
    found = [torch.empty(x.shape, dtype=x.dtype, device=CPU) for _ in range(4)]
    for temporary, result in zip((first, third, second, fourth), found):
        add((1,), temporary, None, 0, result)
    return found


def test_a_reading_is_a_call():
    x, y = torch.randn(3, 5), torch.randn(3, 5)
    tape = write_down(sums, x, x, device=CPU, apart=2)  # that they are the same means nothing
    for a, b in ((x, x), (x, y), (y, x)):
        one, other, kept = tape.read(a, b)
        assert torch.equal(one, a + 1)
        assert torch.equal(other, a + 1 + 1 + b + 1)
        assert [x.tolist() for x in tape.parts(kept)] == [(a + 1 + 1).tolist(), (b + 4).tolist()]
    assert one.untyped_storage().nbytes() == one.nbytes  # those apart share nothing


def test_what_was_kept_is_read_where_it_lies():
    x, y = torch.randn(3, 5), torch.randn(3, 5)
    before = write_down(sums, x, y, device=CPU, apart=1)

    def again(z, second, third, fourth):
        result = torch.empty_like(z)
        add((1,), second, third, 0, result)
        add((1,), result, fourth, 0, result)
        return (result,)

    _, kept = before.read(x, y)
    after = write_down(again, x, kept, device=CPU, apart=1, kept=before)
    second, third, fourth = before.parts(kept)
    assert torch.equal(after.read(x, kept)[0], second + third + fourth)


def test_part_of_what_is_given_and_of_a_result():
    def halves(x, state):
        pairs = torch.empty((2, *x.shape), dtype=x.dtype)
        add((1,), x[1:], None, 0, pairs[0][1:])
        add((1,), x[:1], None, 1, pairs[0][:1])
        add((1,), x, None, 2, pairs[1])
        return pairs[1], state, pairs[0].unsqueeze(1)

    x, state = torch.randn(4, 3), torch.randn(2)
    tape = write_down(halves, x, state, device=CPU, apart=3)
    second, same, first, _ = tape.read(x, state)
    assert torch.equal(second, x + 2)
    assert same is state
    assert torch.equal(first, torch.cat([x[:1] + 1, x[1:]]).unsqueeze(1))


def places(*orders, beside=False):
    """Where the temporaries lie of a function with a result that is written at last, and how many bytes behind it.

    ``orders``: of each, its bytes and the two steps that use it.
    """
    launches = dict.fromkeys(range(9), add_beside if beside else add)

    def function(x):
        made = [torch.empty(size, dtype=torch.uint8) for size, *_ in orders]
        for step in range(4):
            used = [t for t, (_, *steps) in zip(made, orders) if step in steps]
            launches[step]((1,), x, *used)
        result = torch.empty(1024, dtype=torch.uint8)
        launches[4]((1,), result)
        return (result,)

    tape = write_down(function, torch.empty(1), device=CPU, apart=1)
    where = {(p.piece, p.at) for step in tape.steps for p in step.args if isinstance(p, tapes.Part) and p.piece}
    return where, tape.made[-1].shape[0]


def test_memory_is_used_again():
    assert places((256, 0, 1), (256, 2, 3)) == ({(1, 0)}, 0)  # where the result will be
    assert places((2048, 0, 1), (2048, 2, 3)) == ({(1, 0), (3, 0)}, 2048)  # too large for that, but one after the other
    assert places((2048, 0, 1), (2048, 1, 3)) == ({(1, 0), (3, 0), (3, 2048)}, 4096)
    assert places((1000, 0, 2), (600, 1, 3), (300, 3, 3)) == ({(1, 0), (3, 0)}, 768)
    assert places((512, 0, 2), (512, 1, 3)) == ({(1, 0), (1, 512)}, 0)


def test_two_that_run_at_once_share_nothing():
    assert places((2048, 0, 1), (2048, 2, 3), beside=True) == ({(1, 0), (3, 0), (3, 2048)}, 4096)
    assert places((256, 2, 3), beside=True) == ({(1, 0), (3, 0)}, 256)


def test_the_first_waits_for_what_was_launched_before():
    """Its descriptors may lie in memory that was given back while something still works there."""
    early = Launch(None, num_warps=2, registers=99, early=True, A=3)

    def twice(x):
        result = torch.empty_like(x)
        early((1,), x, result)
        early((1,), result, result)
        return (result,)

    first, second = (step.launch for step in write_down(twice, torch.ones(4), device=CPU, apart=1).steps)
    assert second is early
    assert second.options == {"num_warps": 2, "maxnreg": 99, "launch_pdl": True}
    assert first.options == {"num_warps": 2, "maxnreg": 99}
    assert first.constants == {"A": 3}
    assert first is early.apart


@pytest.mark.parametrize(
    "function", [lambda x: (x + 1,), lambda x: (torch.empty_like(x).copy_(x),), lambda x: (torch.zeros(3),)]
)
def test_what_computes_is_not_written_down(function):
    with pytest.raises(RuntimeError, match=r"aten\..* is computed"):
        write_down(function, torch.ones(3), device=CPU, apart=1)
    assert launches.here.writer is None


def test_an_error_stays_one():
    def wrong(x):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        write_down(wrong, torch.ones(3), device=CPU, apart=1)
    assert launches.here.writer is None


class Kernel:
    arg_names = ("x", "to", "n", "A")

    def __init__(self, launched) -> None:
        run = SimpleNamespace(
            launch=lambda *x: launched.append(x), launch_cooperative_grid=False, profile_scratch_size=0,
            global_scratch_size=128, global_scratch_align=128, num_ctas=1,
        )  # fmt: skip
        self.compiled = SimpleNamespace(run=run, function="f", packed_metadata="how")

    def __getitem__(self, grid):
        return lambda *args, **named: self.compiled


def test_known_launchers_are_told_addresses(monkeypatch):
    """And two rooms for descriptors, in turns, behind what lies between."""
    launched: list[Any] = []
    monkeypatch.setattr(torch._C, "_cuda_getCurrentRawStream", lambda device: 7, raising=False)
    monkeypatch.setattr("triton.__version__", "3.6.1")
    launch = Launch(Kernel(launched), num_warps=4, A=5)

    def three(x):
        between, result = torch.empty(100), torch.empty_like(x)
        launch((2,), x, between, 3)
        launch((1,), between, result[1:], 3)
        launch((3,), x, result, 4)
        return (result,)

    tape = write_down(three, torch.ones(4), device=CPU, apart=1)
    tape.read(torch.ones(4))  # the first compiles
    assert tape.lines
    launched.clear()
    x = torch.ones(4)
    made = []
    monkeypatch.setattr(
        tapes.Made, "now", lambda self, device: made.append(torch.empty(self.shape, dtype=self.dtype)) or made[-1]
    )
    result, _ = tape.read(x)
    scratch = made[-1].data_ptr()
    between, first, second = scratch, scratch + 512, scratch + 512 + 512
    head = ("f", False, False)
    tail = (None, "how", None, None, None)
    assert launched == [
        (2, 1, 1, 7, *head, first, *tail, x.data_ptr(), between, 3, 5),
        (1, 1, 1, 7, *head, second, *tail, between, result.data_ptr() + 4, 3, 5),
        (3, 1, 1, 7, *head, first, *tail, x.data_ptr(), result.data_ptr(), 4, 5),
    ]
    assert len(made[-1]) == 512 + 512 + 256
