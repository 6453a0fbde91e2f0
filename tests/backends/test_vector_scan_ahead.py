"""The kernels of the vector scan compile for GPUs, at the sizes that models have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "complex64": torch.complex64}
KINDS = ("mamba", "mamba, cut", "diagonal", "lru", "aussm")
COMPILED = {
    False: ["vector_scan_fwd_kernel", "vector_scan_bwd_kernel"],
    True: [f"vector_scan_{name}_kernel" for name in ("ends", "combine", "fwd", "ends", "combine", "bwd")],
}


def call(kind: str, dtype: torch.dtype) -> None:
    from lrnn.backends.triton.vector_scan import vector_scan

    B, T, H, K = 1, 128, 256, 1 if kind == "lru" else 16
    groups = H if kind == "diagonal" else 1
    keys = torch.complex64 if kind == "aussm" else torch.float32 if kind == "lru" else dtype
    q, k = (torch.zeros(B, T, groups, K, dtype=keys, requires_grad=True) for _ in range(2))
    v = torch.zeros(B, T, H, dtype=dtype, requires_grad=True)
    state = torch.zeros(B, H, K, dtype=torch.complex64 if kind in ("lru", "aussm") else torch.float32)
    fixed, full = torch.zeros(H, K, requires_grad=True), torch.zeros(B, T, H, K, requires_grad=True)
    shown = fixed.expand(B, T, H, K)
    decays: dict[str, dict] = {
        "diagonal": {"log_decay": full, "sign": torch.ones(B, T, H, K)},
        "lru": {"log_decay": shown, "phase": shown},
        "aussm": {"log_decay": shown, "phase": full},
    }
    stepped: dict = {"step": torch.zeros(B, T, H, requires_grad=True), "rate": fixed}
    segment = 64 if kind.endswith("cut") else 128
    y, _ = vector_scan(q, k, v, state, **decays.get(kind, stepped), segment=segment)
    y.abs().sum().backward()


CASES = [
    ("mamba", "bfloat16", 90),
    ("mamba", "float32", 80),
    ("mamba, cut", "float16", 90),
    ("diagonal", "bfloat16", 90),
    ("lru", "complex64", 90),
    ("aussm", "float32", 80),
    ("mamba", "bfloat16", 100),
]


@pytest.mark.parametrize("kind, dtype, arch", CASES)
def test_kernels_compile_without_a_gpu(kind, dtype, arch):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.backends.test_vector_scan_ahead", kind, dtype, str(arch)]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stdout.split() == COMPILED[kind.endswith("cut")]


if __name__ == "__main__":
    from tests.backends.aot import compile_for

    print(*compile_for(int(sys.argv[3]), lambda: call(sys.argv[1], DTYPES[sys.argv[2]])))
