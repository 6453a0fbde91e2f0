"""Every peer that runs on a CPU, brought to our layout ``[B, T, H, ·]``; none is required.

A peer is loaded only when its contest starts. What is not installed, or does not load, is `Absent` with the reason.
No code of a peer is copied here; mlstm_kernels in particular has a licence of its own (NXAI Community).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

Function = Callable[..., Tensor]


class Absent(Exception):
    """This peer cannot run here, and why."""


def attempt(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was measured, or ``{"absent": reason}``: who is not there or fails is a finding, not the end of a run."""
    try:
        return measure()
    except Absent as reason:
        return {"absent": str(reason)}
    except Exception as fault:
        return {"absent": f"fails: {type(fault).__name__}: {str(fault)[:300]}"}


def module(name: str) -> Any:
    """This module, or `Absent` with the reason that it does not import."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Absent(f"{name.partition('.')[0]} does not import: {error}") from error


def _file(package: str, path: str, stands_for: tuple[str, ...] = ()) -> Any:
    """One file of a package without importing the package, which would want a GPU compiler.

    Arguments:
        stands_for: modules that the file imports and does not need here; empty ones take their place meanwhile.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Absent(f"{package} is not installed")
    file = Path(next(iter(spec.submodule_search_locations))) / path
    if not file.is_file():
        raise Absent(f"this version of {package} has no {path}")
    inserted = [name for name in stands_for if name not in sys.modules]
    for name in inserted:
        sys.modules[name] = _Anything(name)
    try:
        found = importlib.util.spec_from_file_location("peer_" + file.stem, file)
        assert found is not None
        assert found.loader is not None
        loaded = importlib.util.module_from_spec(found)
        found.loader.exec_module(loaded)
    except ImportError as error:
        raise Absent(f"{package}/{path} does not import: {error}") from error
    finally:
        for name in inserted:
            del sys.modules[name]
    return loaded


class _Anything(types.ModuleType):
    """A module from which every name can be imported."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def transformers_chunk() -> Function:
    """torch_chunk_gated_delta_rule of transformers (Qwen3-Next)."""
    rule = module("transformers.models.qwen3_next.modeling_qwen3_next").torch_chunk_gated_delta_rule
    return lambda q, k, v, beta, log_decay: rule(q, k, v, g=log_decay, beta=beta, chunk_size=64)[0]


def transformers_recurrent() -> Function:
    """torch_recurrent_gated_delta_rule of transformers (Qwen3-Next)."""
    rule = module("transformers.models.qwen3_next.modeling_qwen3_next").torch_recurrent_gated_delta_rule
    options: dict[str, Any] = {"initial_state": None, "output_final_state": False}
    return lambda q, k, v, beta, log_decay: rule(q, k, v, g=log_decay, beta=beta, **options)[0]


def fla_gated_delta_rule() -> Function:
    """naive_chunk_gated_delta_rule of flash-linear-attention."""
    rule = _file("fla", "ops/gated_delta_rule/naive.py").naive_chunk_gated_delta_rule
    return lambda q, k, v, beta, log_decay: rule(q, k, v, g=log_decay, beta=beta, chunk_size=64)[0]


def fla_delta_rule(chunk_size: int) -> Callable[[], Function]:
    """delta_rule_chunkwise of flash-linear-attention."""

    def load() -> Function:
        rule = _file("fla", "ops/delta_rule/naive.py").delta_rule_chunkwise

        def run(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
            heads_first = (x.transpose(1, 2) for x in (q, k, v, beta))
            y = rule(*heads_first, chunk_size=chunk_size)
            return (y[0] if isinstance(y, tuple) else y).transpose(1, 2)

        return run

    load.__doc__ = f"delta_rule_chunkwise of flash-linear-attention, chunks of {chunk_size}."
    return load


def fla_simple_gla() -> Function:
    """naive_chunk_simple_gla of flash-linear-attention."""
    rule = _file("fla", "ops/simple_gla/naive.py").naive_chunk_simple_gla

    def run(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
        y = rule(q, k, v, log_decay, chunk_size=64, scale=1.0)
        return y[0] if isinstance(y, tuple) else y

    return run


def mamba_ssd() -> Function:
    """ssd_minimal_discrete of mamba_ssm; only its one file is loaded."""
    kernels = ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", "mamba_ssm.ops.triton.ssd_combined")
    ssd = _file("mamba_ssm", "modules/ssd_minimal.py", kernels).ssd_minimal_discrete
    return lambda q, k, v, log_decay: ssd(v, log_decay, k, q, 64)[0]


def xlstm(name: str) -> Callable[[], Function]:
    """mlstm_chunkwise__native_… of mlstm_kernels."""

    def load() -> Function:
        rule = getattr(module("mlstm_kernels.torch.chunkwise.native"), f"mlstm_chunkwise__native_{name}")

        def run(q: Tensor, k: Tensor, v: Tensor, input_gate: Tensor, forget_gate: Tensor) -> Tensor:
            rows = (x.transpose(1, 2) for x in (q, k, v, input_gate, forget_gate))
            return rule(*rows, chunk_size=64).transpose(1, 2)

        return run

    load.__doc__ = f"mlstm_chunkwise__native_{name} of mlstm_kernels."
    return load


def attention() -> Function:
    """torch's own causal softmax attention, the yardstick of everybody."""

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)

    return run
