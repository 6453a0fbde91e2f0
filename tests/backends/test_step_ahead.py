"""The kernels of decoding, and of what layers do beside the recurrence, compile for GPUs, at the sizes that models have
and with the arguments of real calls."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]


def calls(dtype: torch.dtype, arch: int) -> None:
    from lrnn.backends.triton import delta_step, projections
    from lrnn.layers import MIXERS, convolution, deltanet, pointwise
    from lrnn.layers.mixer import MixerState
    from tests.backends.step_calls import Call

    for form in ("delta rule", "gated, separate keys", "diagonal and signs, normalized", "scalar", "rank 2"):
        Call(form, N=2, H=4, K=128, V=128, dtype=dtype).run()
    Call("signed diagonal", N=2, T=3, H=4, K=60, V=33, groups=2, dtype=dtype).run()
    Call("complex", N=2, H=4, K=128, V=128, dtype=dtype).run()
    Call("diagonal", N=2, H=64, K=16, V=1, dtype=dtype).run()
    projections.begins_early = delta_step.begins_early = lambda device: arch >= 90
    project(dtype, arch == 90 and dtype.itemsize == 2)
    convolution.kernels_run_on = deltanet.kernels_run_on = pointwise.kernels_run_on = lambda device: True
    kind: Any = MIXERS["gated_deltaproduct"]
    mixer = kind(kind.Config(dim=256, num_heads=2, eigenvalues=(-1, 1))).to(dtype)
    x = torch.zeros(2, 40, 256, dtype=dtype)
    assert isinstance(mixer, deltanet.DeltaNet)
    drive = mixer.drive(x, None)
    assert drive.q is not None
    assert drive.tail is not None
    read = mixer.readout(drive.v[..., 0, :], x, drive)
    (drive.q.sum() + drive.k.sum() + drive.v.sum() + read.sum()).backward()
    state = torch.zeros(2, *mixer.config.state_shape)
    with torch.no_grad():
        for programs in (100, 2):  # of which each has one head, or several
            delta_step.programs_at_once = lambda size, device, programs=programs: programs
            mixer(x[:, :1], MixerState(state.clone(), tuple(tail.detach().clone() for tail in drive.tail)))


def project(dtype: torch.dtype, hopper: bool) -> None:
    """Every form of a projection; of which some are for Hopper."""
    from lrnn.backends.triton import projections
    from lrnn.backends.triton.projections import _launch_on_hopper, add_norm, project, project_parts

    some, one = torch.zeros(64, 1024, dtype=dtype), torch.zeros(1, 1024, dtype=dtype)
    weights = [torch.zeros(n, 1024, dtype=dtype) for n in (1024, 64, 8)]
    for x in (some, one):
        project(x, weights, early=True)
        project(x, [weights[0]] * 2, gated=True, early=True)
    project(one, weights[:1], norm=one[0], eps=1e-5, residual=one, early=True)
    add_norm(project_parts(some, weights[0], 2, early=True), some, one[0], 1e-5)
    if hopper:
        ys = [torch.zeros(64, len(weight), dtype=dtype) for weight in weights]
        parts = torch.zeros(2, 64, 1024)
        every = ((weights, ys, 1, False), ([weights[0]] * 2, ys[:1], 1, True), (weights[:1], [parts], 2, False))
        for given, programs in zip(every, (13, 22, 22), strict=True):
            for processors in (1, programs):  # with fewer rows to a program, and with more
                projections.processors = lambda device, processors=processors: processors
                kernel, grid, arguments = _launch_on_hopper(some, *given, early=True)
                assert arguments["MORE"] == (processors == programs)
                kernel[grid](**arguments)


@pytest.mark.parametrize("dtype, arch", [("bfloat16", 80), ("float16", 90), ("float32", 90), ("bfloat16", 100)])
def test_kernels_compile_without_a_gpu(dtype, arch):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.backends.test_step_ahead", dtype, str(arch)]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-2000:]
    wanted = ["matrix_step_kernel"] * 6 + ["diagonal_step_kernel"] * 2 + ["project_kernel"] * 6 + ["add_norm_kernel"]
    if arch == 90 and dtype != "float32":
        wanted += ["project_hopper_kernel"] * 6
    wanted += ["convolution_fwd_kernel", "convolution_bwd_kernel", "activate_fwd_kernel", "activate_bwd_kernel"] * 3
    wanted += ["gated_norm_fwd_kernel", "gated_norm_bwd_kernel"] + ["delta_step_kernel"] * 2
    assert sorted(child.stdout.split()) == sorted(wanted)


if __name__ == "__main__":
    from tests.backends.aot import compile_for

    arch = int(sys.argv[2])
    print(*compile_for(arch, lambda: calls(getattr(torch, sys.argv[1]), arch)))
