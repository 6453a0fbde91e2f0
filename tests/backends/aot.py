"""Compiles every kernel ahead of time, for GPUs that need not be there.

The package's own host code makes the launches, so tiles, warps and stages are those that it ships, and a new kernel
joins by being launched by one of the calls below. In place of a launch the kernel is compiled down to the machine code
of a GPU, by the assembler that comes with Triton.

    python -m tests.backends.aot CALL bf16,fp32 80,90 K V     one line of JSON per kernel

It must run in a process without Triton's interpreter, hence `test_aot.py` starts one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.experimental.gluon._runtime import GluonASTSource
from triton.runtime.jit import JITFunction, create_function_from_signature

from lrnn.backends.triton import rows_call
from lrnn.recurrence import kernels
from tests.backends.machine_code import lost
from tests.calls import call, delta_rule, weighed

CALLS: dict[str, tuple[str, int, bool]] = {
    # what to launch: structure, T, with gradients
    "scalar": ("scalar", 300, True),
    "householder": ("householder delta R=3 normalize", 300, True),
    "householder cut": ("householder R=2 scalar signs", 5000, True),
    "diagonal": ("diagonal", 5000, True),
    "householder full": ("householder delta", 256, True),
    "householder gated full": ("householder R=2 scalar signs", 256, True),
    "scalar full": ("scalar", 256, True),
    "scalar weighed": ("scalar", 300, True),
    "scalar weighed full": ("scalar", 256, True),
    "householder three full": ("householder delta R=3 scalar", 256, True),
    "householder written full": ("householder delta", 256, True),
    "householder three written full": ("householder delta R=3 scalar", 256, True),
    "householder diagonal": ("householder R=2 diagonal resets", 300, True),
    "dplr": ("dplr", 300, True),
    "vector": ("diagonal signs", 300, True),
    "vector stepped": ("stepped diagonal shared", 300, True),
    "vector complex": ("complex diagonal", 300, True),
    "steps": ("householder R=2 diagonal resets", 2, False),
    "steps dplr": ("dplr", 2, False),
    "steps diagonal": ("diagonal", 2, False),
    "steps complex": ("complex diagonal", 2, False),
}

SHARED = {80: 163 * 1024, 90: 227 * 1024, 100: 227 * 1024}
"""Bytes of shared memory that one program can have."""

FAULTS = ("unfinished", "stale", "lost")
"""What Triton and its assembler do wrong, as far as it is known: each has a function here or in `machine_code.py`."""

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Assembler:
    """Compiles what is launched, each kernel in each form once."""

    def __init__(self, arch: int) -> None:
        self.arch = arch
        self.target = GPUTarget("cuda", arch, 32)
        self.backend = make_backend(self.target)
        self.seen: set[str] = set()
        self.launched: list[str] = []
        self.found: list[dict[str, Any]] = []

    def launch(self, kernel: JITFunction, *given: Any, grid: Any, warmup: bool, **named: Any) -> None:
        """In place of :meth:`JITFunction.run`."""
        assert all(size > 0 for size in grid), f"{kernel.fn.__name__} is launched on an empty grid {grid}"
        self.launched.append(kernel.fn.__name__)
        for parameter, value in zip(kernel.params, given, strict=False):  # `Launch` takes integers as they come
            as_it_comes = parameter.do_not_specialize or not kernel.fn.__name__.startswith("rows_")
            assert as_it_comes or not isinstance(value, int), (kernel.fn.__name__, parameter.name)
        binder = create_function_from_signature(kernel.signature, kernel.params, self.backend)
        bound, specialization, options = binder(*given, **named)
        packed = kernel._pack_args(self.backend, named, bound, specialization, options)
        options, signature, constexprs, attributes = packed
        key = str((kernel.fn.__name__, signature, constexprs, options))
        if key in self.seen:
            return
        self.seen.add(key)
        start = time.perf_counter()
        form = GluonASTSource if kernel.is_gluon() else ASTSource
        source = form(kernel, signature, constexprs, attributes)
        compiled = triton.compile(source, target=self.target, options=options.__dict__)
        self.found.append(
            {
                "kernel": kernel.fn.__name__,
                "arch": self.arch,
                "warps": compiled.metadata.num_warps,
                "stages": compiled.metadata.num_stages,
                "shared": compiled.metadata.shared,
                "seconds": round(time.perf_counter() - start, 1),
            }
            | self.resources(compiled.asm["ptx"])
            | {"unfinished": unfinished(compiled.asm["ttgir"]), "stale": stale(compiled.asm["ttgir"])}
            | {"lost": lost(compiled.asm["cubin"]) if self.arch == 90 else []}
        )

    def resources(self, ptx: str) -> dict[str, int]:
        """Registers of a thread and the bytes that do not fit into them, as the assembler tells."""
        from triton.backends.nvidia.compiler import get_ptxas, sm_arch_from_capability

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "kernel.ptx"
            path.write_text(ptx)
            command = [
                get_ptxas(self.arch).path,
                "-v",
                f"--gpu-name={sm_arch_from_capability(self.arch)}",
            ]
            told = subprocess.run([*command, str(path), "-o", "/dev/null"], capture_output=True, text=True).stderr
        spilled, registers = re.search(r"(\d+) bytes spill stores", told), re.search(r"Used (\d+) registers", told)
        return {
            "registers": int(registers[1]) if registers else -1,
            "spilled": int(spilled[1]) if spilled else -1,
        }


def unfinished(ttgir: str) -> list[str]:
    """Matrix products whose result is used although nobody waits for it.

    On Hopper they run beside the program, and their result is there only behind a wait that hands it on. Triton 3.6
    leaves the wait out where an accumulator that a loop carries is looked at inside a branch.
    """
    lines = [line.partition(" loc(")[0] for line in ttgir.splitlines()]
    found = []
    for number, line in enumerate(lines):
        product = re.match(r"\s*(%[\w-]+)(?::\d+)? = ttng\.warp_group_dot .*isAsync = true", line)
        if product:
            name = re.compile(re.escape(product[1]) + r"(?![\w-])")
            for later in lines[number + 1 :]:
                if re.match(rf"\s*{name.pattern}(:\d+)? =", later):  # another region has the name again
                    break
                if name.search(later) and "ttng.warp_group_dot" not in later:
                    found.append(f"{product[1]}: {later.strip()[:90]}")
    return found


def stale(ttgir: str) -> list[str]:
    """Reads of a tile in a loop, behind the point where the only room for it is already being filled anew.

    Triton 3.6 gives a tile that goes to registers one room and fetches the next one early; where it then finds that a
    product can read the tile in its place, through another shape of it, it does not look at when.
    """
    rooms: dict[str, str] = {}  # every view of a tile that has one room only
    filled: dict[str, str] = {}  # rooms that are being filled, and the barrier to wait at
    found = []
    loop = 0
    for line in (line.partition(" loc(")[0] for line in ttgir.splitlines()):
        if "scf.for" in line:
            loop += 1
            filled.clear()
        made = re.match(r"\s*(%[\w-]+) = ttg\.(local_alloc|memdesc_\w+) ?(%[\w-]+)?", line)
        if made and made[2] == "local_alloc" and re.search(r"memdesc<1x\d+x\d+", line) and ": () ->" in line:
            rooms[made[1]] = made[1]
        elif made and made[3] in rooms:
            rooms[made[1]] = rooms[made[3]]
        names = re.findall(r"%[\w-]+", line)
        if loop and "async_tma_copy_global_to_local" in line:
            filled |= {rooms[name]: names[place + 1] for place, name in enumerate(names) if name in rooms}
        elif "wait_barrier" in line:
            filled = {room: barrier for room, barrier in filled.items() if barrier not in names}
        elif loop and re.search(r"warp_group_dot |local_load|tt\.dot ", line):
            found += [line.strip()[:120] for name in names if rooms.get(name) in filled]
    return found


@contextmanager
def assembling(arch: int) -> Iterator[Assembler]:
    """What is launched in here is compiled instead."""
    assembler = Assembler(arch)
    original, JITFunction.run = JITFunction.run, lambda kernel, *x, **named: assembler.launch(kernel, *x, **named)  # type: ignore[method-assign]
    try:
        yield assembler
    finally:
        JITFunction.run = original  # type: ignore[method-assign]


def compile_for(arch: int, call: Callable[[], Any]) -> list[str]:
    """The names of the kernels that a call launches, each compiled and without the faults above."""
    with assembling(arch) as assembler:
        call()
    for kernel in assembler.found:
        assert not any(kernel[fault] for fault in FAULTS), kernel
    return assembler.launched


def assemble(name: str, dtype: torch.dtype, arch: int, K: int, V: int) -> list[dict[str, Any]]:
    """What the kernels of one call need."""
    structure, T, gradients = CALLS[name]
    of = call(structure, (1, T, 1, K, 1 if name.startswith("vector") else V))
    of = (weighed(of) if "weighed" in name else of).to(dtype)
    interpreted, kernels.INTERPRETED = kernels.INTERPRETED, True
    rows_call.Call.generation = arch // 10  # type: ignore[assignment]
    rows_call.known_call.cache_clear()
    try:
        with assembling(arch) as assembler:
            of = of.leaves() if gradients else of
            of = delta_rule(of) if "written" in name else of
            y, state = of.run(backend="triton")
            if gradients:
                (y.abs().sum() + state.abs().sum()).backward()
    finally:
        kernels.INTERPRETED = interpreted
    return [{"dtype": str(dtype)} | kernel for kernel in assembler.found]


if __name__ == "__main__":
    name, dtypes, archs, K, V = sys.argv[1:]
    for dtype in dtypes.split(","):
        for arch in archs.split(","):
            for line in assemble(name, DTYPES[dtype], int(arch), int(K), int(V)):
                print(json.dumps(line))
