"""The kernels of decoding compile for GPUs, at the sizes that models have and with the arguments of real calls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


def calls(dtype: torch.dtype) -> None:
    from lrnn.backends.triton.projections import project
    from tests.backends.step_calls import Call

    for form in ("delta rule", "gated, separate keys", "diagonal and signs, normalized", "scalar", "rank 2"):
        Call(form, N=2, H=4, K=128, V=128, dtype=dtype).run()
    Call("signed diagonal", N=2, T=3, H=4, K=60, V=33, groups=2, dtype=dtype).run()
    Call("complex", N=2, H=4, K=128, V=128, dtype=dtype).run()
    Call("diagonal", N=2, H=64, K=16, V=1, dtype=dtype).run()
    for words in (1, 64):
        project(torch.zeros(words, 256, dtype=dtype), [torch.zeros(n, 256, dtype=dtype) for n in (64, 8)])


@pytest.mark.parametrize("dtype, arch", [("bfloat16", 80), ("float16", 90), ("float32", 90), ("bfloat16", 100)])
def test_kernels_compile_without_a_gpu(dtype, arch):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.backends.test_step_ahead", dtype, str(arch)]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-2000:]
    wanted = ["matrix_step_kernel"] * 6 + ["diagonal_step_kernel"] * 2 + ["project_kernel"] * 2
    assert child.stdout.split() == wanted


if __name__ == "__main__":
    from tests.backends.aot import compile_for

    print(*compile_for(int(sys.argv[2]), lambda: calls(getattr(torch, sys.argv[1]))))
