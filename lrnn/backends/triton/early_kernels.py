"""What kernels in Triton that begin before the one before them has ended share; see :mod:`hopper_kernels`."""

import triton
import triton.language as tl


@triton.jit
def begin_early():
    """As in :mod:`hopper_kernels`."""
    tl.inline_asm_elementwise("griddepcontrol.wait; // $0", "=r", [], dtype=tl.int32, is_pure=False, pack=1)
    tl.inline_asm_elementwise(
        "griddepcontrol.launch_dependents; // $0", "=r", [], dtype=tl.int32, is_pure=False, pack=1
    )
