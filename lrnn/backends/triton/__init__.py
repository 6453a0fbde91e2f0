"""Kernels in Triton, behind functions of plain tensors; importing this imports no Triton."""
