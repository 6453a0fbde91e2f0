"""A launch compiles once for every form of its arguments, and then hands them on as the compiled form takes them."""

from types import SimpleNamespace

import torch

from lrnn.backends.triton.launch import Launch


class Kernel:
    arg_names = ("x", "y", "n", "A", "B")

    def __init__(self) -> None:
        self.first, self.again = [], []

    def __getitem__(self, grid):
        def launch(*args, **named):
            self.first.append((grid, args, named))
            return SimpleNamespace(run=lambda *x: self.again.append(x), function="f", packed_metadata="how")

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
