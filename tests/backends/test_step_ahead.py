"""The kernels of decoding and of the short convolution compile for GPUs, at the sizes that models have and with the
arguments of real calls."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]


def calls(dtype: torch.dtype) -> None:
    from lrnn.backends.triton.projections import project
    from lrnn.layers import MIXERS, convolution, deltanet
    from lrnn.layers.mixer import MixerState
    from tests.backends.step_calls import Call

    for form in ("delta rule", "gated, separate keys", "diagonal and signs, normalized", "scalar", "rank 2"):
        Call(form, N=2, H=4, K=128, V=128, dtype=dtype).run()
    Call("signed diagonal", N=2, T=3, H=4, K=60, V=33, groups=2, dtype=dtype).run()
    Call("complex", N=2, H=4, K=128, V=128, dtype=dtype).run()
    Call("diagonal", N=2, H=64, K=16, V=1, dtype=dtype).run()
    for words in (1, 64):
        project(torch.zeros(words, 256, dtype=dtype), [torch.zeros(n, 256, dtype=dtype) for n in (64, 8)])
    convolution.kernels_run_on = deltanet.kernels_run_on = lambda device: True
    kind: Any = MIXERS["gated_deltaproduct"]
    mixer = kind(kind.Config(dim=256, num_heads=2, eigenvalues=(-1, 1))).to(dtype)
    x = torch.zeros(2, 40, 256, dtype=dtype)
    assert isinstance(mixer, deltanet.DeltaNet)
    drive = mixer.drive(x, None)
    assert drive.q is not None
    assert drive.tail is not None
    (drive.q.sum() + drive.k.sum() + drive.v.sum()).backward()
    state = torch.zeros(2, *mixer.config.state_shape)
    with torch.no_grad():
        mixer(x[:, :1], MixerState(state, tuple(tail.detach() for tail in drive.tail)))


@pytest.mark.parametrize("dtype, arch", [("bfloat16", 80), ("float16", 90), ("float32", 90), ("bfloat16", 100)])
def test_kernels_compile_without_a_gpu(dtype, arch):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.backends.test_step_ahead", dtype, str(arch)]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-2000:]
    wanted = ["matrix_step_kernel"] * 6 + ["diagonal_step_kernel"] * 2 + ["project_kernel"] * 2
    wanted += ["convolution_fwd_kernel"] * 3 + ["convolution_bwd_kernel"] * 3 + ["delta_step_kernel"]
    assert child.stdout.split() == wanted


if __name__ == "__main__":
    from tests.backends.aot import compile_for

    print(*compile_for(int(sys.argv[2]), lambda: calls(getattr(torch, sys.argv[1]))))
