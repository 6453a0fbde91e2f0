"""A launch compiles once for every form of its arguments, and then hands them on as the compiled form takes them."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import triton
from triton.runtime import _allocation

from lrnn.backends.triton.launch import Launch, current_device


class Kernel:
    arg_names = ("x", "y", "n", "A", "B")

    def __init__(self, run=None) -> None:
        self.first, self.again = [], []
        self.run = run or (lambda *x: self.again.append(x))

    def __getitem__(self, grid):
        def launch(*args, **named):
            self.first.append((grid, args, named))
            return SimpleNamespace(run=self.run, function="f", packed_metadata="how")

        return launch


def test_the_first_launch_compiles_and_the_others_run(monkeypatch):
    monkeypatch.setattr(torch._C, "_cuda_getCurrentRawStream", lambda device: 7, raising=False)
    kernel, x = Kernel(), torch.zeros(4)
    launch = Launch(kernel, B=2, A=1, num_warps=4)
    launch((3, 5), x, None, 6)
    assert kernel.first == [((3, 5), (x, None, 6), {"A": 1, "B": 2, "num_warps": 4})]
    assert not kernel.again
    wanted = (3, 5, 1, 7, "f", "how", None, None, None, x.data_ptr(), None, 6, 1, 2)
    launch((3, 5), x, None, 6)
    Launch(kernel, B=2, A=1, num_warps=4)((3, 5), x, None, 6)  # what another one has compiled
    assert kernel.again == [wanted, wanted]
    Launch(kernel, B=2, A=1, num_warps=4)((3, 5), x, x, 6)  # another form
    Launch(kernel, B=2, A=2, num_warps=4)((3, 5), x, None, 6)
    assert len(kernel.first) == 3


@pytest.mark.parametrize("size, beside", [(0, False), (384, False), (384, True)])
def test_a_launcher_that_is_known_is_not_asked(size, beside, monkeypatch):
    """It gets what it would have looked up: no cooperation, room for descriptors, no profile."""
    again, asked, x = [], [], torch.zeros(4)
    monkeypatch.setattr(torch._C, "_cuda_getCurrentRawStream", lambda device: 7, raising=False)
    monkeypatch.setattr(triton, "__version__", "3.6.1")
    launcher = SimpleNamespace(
        launch=lambda *x: again.append(x), launch_cooperative_grid=False, launch_pdl=beside, profile_scratch_size=0,
        global_scratch_size=size, global_scratch_align=128, num_ctas=1,
    )  # fmt: skip
    kernel = Kernel(launcher)

    def allocator(*room: Any) -> Any:
        return asked.append(room) or "room"

    with current_device(x.device):
        triton.set_allocator(allocator)  # type: ignore[arg-type]
        for _ in range(2):
            Launch(kernel, B=2, A=1, num_warps=4, beside=beside)((3, 5), x, None, 6)
    room = "room" if size else None
    assert again == [(3, 5, 1, 7, "f", False, beside, room, None, "how", None, None, None, x.data_ptr(), None, 6, 1, 2)]
    assert asked == ([(15 * 384, 256, 7)] if size else [])
    assert ("launch_pdl" in kernel.first[0][2]) == beside


def test_a_kernel_and_the_one_beside_it_have_rooms_of_their_own():
    x = torch.zeros(4)
    with current_device(x.device):
        room: Any = _allocation._allocator.get()
        one, other, third = (room(size, 128, None) for size in (64, 32, 64))
        assert one.data_ptr() != other.data_ptr()
        assert one.data_ptr() == third.data_ptr()
