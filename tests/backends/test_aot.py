"""Every kernel compiles to machine code for the GPUs that it is written for, and fits them; no GPU is needed.

A kernel that is right in the interpreter may still not compile. See `aot.py` for how the launches are found.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed")
from tests.backends.aot import CALLS, FAULTS, SHARED

ROOT = Path(__file__).parents[2]


def compiled(name: str, dtypes: str, archs: str, K: int, V: int) -> list[dict]:
    """What each kernel needs; raises where one does not compile."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.backends.aot", name, dtypes, archs, str(K), str(V)]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-3000:]
    found = [json.loads(line) for line in child.stdout.splitlines()]
    for fault in FAULTS:
        assert not [(kernel["kernel"], kernel[fault]) for kernel in found if kernel[fault]], fault
    return found


BIG = ["householder", "householder cut", "diagonal", "dplr"]
"""What is also compiled at the size that counts; the first and the last launch no kernel that no other call does."""


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("householder", "dplr") and "full" not in name])
def test_every_kernel_compiles(name):
    """float16 differs from bfloat16 in the names of instructions only, so one architecture does for it."""
    found = compiled(name, "bf16,fp32", "80,90,100", 16, 16) + compiled(name, "fp16", "90", 16, 16)
    assert {(kernel["dtype"], kernel["arch"]) for kernel in found} == {
        *((dtype, arch) for dtype in ("torch.bfloat16", "torch.float32") for arch in SHARED),
        ("torch.float16", 90),
    }
    assert all(kernel["shared"] <= SHARED[kernel["arch"]] for kernel in found), found


@pytest.mark.parametrize("name", BIG)
def test_what_counts_fits(name):
    """K = V = 128 in bfloat16 on a Hopper: it fits into the memory of a processor."""
    assert all(kernel["shared"] <= SHARED[90] for kernel in compiled(name, "bf16", "90", 128, 128))


@pytest.mark.parametrize("name", [name for name in CALLS if "full" in name])
def test_what_is_written_for_hopper_is_chosen_and_fits(name):
    found = compiled(name, "bf16", "90", 128, 128) + compiled(name, "bf16", "90", 64, 64)
    chosen = [kernel for kernel in found if "hopper" in kernel["kernel"]]
    assert {"chain_fwd", "chain_bwd", "inside_bwd"} <= {kernel["kernel"][5:-14] for kernel in chosen}
    assert all(kernel["shared"] <= SHARED[90] and kernel["spilled"] < 1024 for kernel in chosen), chosen
