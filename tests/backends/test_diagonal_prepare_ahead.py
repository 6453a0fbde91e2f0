"""The kernels of the diagonal decays' chunks compile for GPUs, at the sizes that models have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]

KINDS = {
    "GLA": {"R": 1, "solves": False},
    "KDA": {"R": 2, "solves": True, "scale": True, "normalize": True},
    "DPLR": {"R": 2, "solves": True, "b": True, "own": False, "group": 2},
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def call(dtype: torch.dtype, *, R, solves, scale=False, b=False, own=True, group=1, normalize=False) -> None:
    from lrnn.backends.triton.diagonal_prepare import prepare, prepare_back

    T, H, K, C, full = 64 // R, 2, 128, 64, torch.float32
    q, key = torch.zeros(1, T, H, K, dtype=dtype), torch.zeros(1, T, H, R, K, dtype=dtype)
    given = (
        q, key, torch.zeros_like(key) if b else None, torch.zeros(1, T, H, R) if scale else None,
        torch.zeros(1, T, H, K), torch.zeros(1, 2, dtype=torch.int32),
    )  # fmt: skip
    options = {"size": C, "group": group, "sees_own_decay": own, "normalize": normalize, "solves": solves}
    prepare(*given, **options)
    d_rows, d_system = torch.zeros_like(key, dtype=full), torch.zeros(1, T, H, R, C)
    prepare_back(
        *given, **options, d_read_rows=d_rows if solves else None, d_write_rows=d_rows,
        d_query_rows=torch.zeros_like(q, dtype=full), d_reads=torch.zeros(1, T, H, C),
        d_system=d_system if solves else None, d_carry=torch.zeros(1, H, K),
    )  # fmt: skip


CASES = [
    ("GLA", "bfloat16", 90),
    ("KDA", "bfloat16", 90),
    ("KDA", "float32", 90),
    ("KDA", "float16", 80),
    ("DPLR", "bfloat16", 80),
    ("GLA", "bfloat16", 100),
]


@pytest.mark.parametrize("kind, dtype, arch", CASES)
def test_kernels_compile_without_a_gpu(kind, dtype, arch):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.backends.test_diagonal_prepare_ahead", kind, dtype, str(arch)]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-2000:]
    wanted = ["diagonal_prepare_fwd_kernel", "diagonal_prepare_bwd_kernel"]
    if "normalize" in KINDS[kind]:
        wanted.append("diagonal_prepare_scale_bwd_kernel")
    assert child.stdout.split() == wanted


if __name__ == "__main__":
    from tests.backends.aot import compile_for

    print(*compile_for(int(sys.argv[3]), lambda: call(DTYPES[sys.argv[2]], **KINDS[sys.argv[1]])))
