"""Compiles the kernels of a call for a GPU that is not there, with the very arguments that its host side makes.

For a process without `TRITON_INTERPRET`: the call is made with tensors on the CPU, and what would be launched is
compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

NAMES = {
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.bfloat16: "*bf16",
    torch.float16: "*fp16",
    torch.int32: "*i32",
    torch.int64: "*i64",
}


def compile_for(arch: int, call: Callable[[], Any]) -> list[str]:
    """The kernels that a call launches, compiled down to machine code for sm_`arch`; their names."""
    with instead_of_launching(lambda *launch: compile_one(arch, *launch)) as names:
        call()
    return names


@contextmanager
def instead_of_launching(do: Callable[[Any, tuple[Any, ...], dict[str, Any]], None]) -> Iterator[list[str]]:
    from triton.runtime.jit import JITFunction

    names: list[str] = []

    def run(kernel: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> None:
        names.append(kernel.__name__)
        do(kernel, args, options)

    launch, JITFunction.run = JITFunction.run, run  # type: ignore[method-assign]
    try:
        yield names
    finally:
        JITFunction.run = launch  # type: ignore[method-assign]


def compile_one(arch: int, kernel: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    given = dict(zip(kernel.arg_names, args)) | {name: x for name, x in options.items() if name in kernel.arg_names}
    assert set(given) == set(kernel.arg_names), f"{kernel.__name__}: {set(given) ^ set(kernel.arg_names)}"
    signature, constants, aligned = {}, {}, {}
    for place, parameter in enumerate(kernel.params):
        x = given[parameter.name]
        if isinstance(x, Tensor):
            signature[parameter.name] = NAMES[x.dtype]
            aligned[(place,)] = [["tt.divisibility", 16]]
        elif isinstance(x, int) and not parameter.is_constexpr:
            signature[parameter.name] = "i32"
        elif isinstance(x, float) and not parameter.is_constexpr:
            signature[parameter.name] = "fp32"
        else:
            signature[parameter.name] = "constexpr"
            constants[(place,)] = x
    source = ASTSource(kernel, signature=signature, constexprs=constants, attrs=aligned)
    rest = {name: x for name, x in options.items() if name not in given}
    made = triton.compile(source, target=GPUTarget("cuda", arch, 32), options=rest)
    assert made.asm["cubin"], kernel.__name__
