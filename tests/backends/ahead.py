"""Compiles the kernels of a call for a GPU that is not there, with the very arguments that its host side makes.

For a process without `TRITON_INTERPRET`: the call is made with tensors on the CPU, and what would be launched is
compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


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
    """Specialized to the arguments as a launch would be: their dtypes, their alignment, numbers that are 1."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, make_backend
    from triton.runtime.jit import create_function_from_signature

    target = GPUTarget("cuda", arch, 32)
    backend = make_backend(target)
    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
    bound, specialized, rest = bind(*args, **options)
    settings, *found = kernel._pack_args(backend, dict(options), bound, specialized, rest)
    made = triton.compile(ASTSource(kernel, *found), target=target, options=settings.__dict__)
    assert made.asm["cubin"], kernel.__name__
