"""Decoding on a GPU beside what its memory allows: the bare step, and whole models as CUDA graphs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._pytree import tree_leaves

from benchmarks.gpu_ceilings import ceilings
from benchmarks.gpu_clock import Clock
from benchmarks.outcome import Outcome, environment
from lrnn import Householder, Sequential, recurrence
from lrnn.models import DecodeGraph, LanguageModel, LanguageModelConfig

BATCHES, MODEL_BATCHES = (1, 8, 64, 512), (1, 64)
LAYERS, HEADS, WIDTH = 24, 16, 128
MAX_BYTES = 2**33
"""States of several layers, so that a step finds none of it in the cache, but not more than so many bytes."""

COLUMNS = ("what", "batch", "ms", "GB", "GB/s", "of copy", "error", "kernels", "ms busy")
Leaf = dict[str, Any]


def model_config(reflectors: int, layers: int = LAYERS, heads: int = HEADS, width: int = WIDTH) -> LanguageModelConfig:
    """Gated DeltaProduct (one reflector: Gated DeltaNet) with heads of K = V = width."""
    options: dict[str, Any] = {"num_heads": heads, "value_dim": width, "eigenvalues": (-1, 1)}
    mixer = "gated_deltanet"
    if reflectors > 1:
        mixer, options["num_householders"] = "gated_deltaproduct", reflectors
    dim = heads * width
    return LanguageModelConfig(
        vocab_size=16 * dim, dim=dim, num_layers=layers, mixer=mixer, mixer_config=options, mlp_ratio=2.75
    )


def model_of(config: LanguageModelConfig, device: str) -> LanguageModel:
    """In bfloat16; every block has memory of its own but starts as the first, for drawing weights takes minutes."""
    model = LanguageModel(replace(config, num_layers=1)).to(device, torch.bfloat16).requires_grad_(False).eval()
    model.blocks = nn.ModuleList(copy.deepcopy(model.blocks[0]) for _ in range(config.num_layers))
    model.config = config
    return model


def repeated(run: Callable[[], Any], clock: Clock) -> Callable[[], Any]:
    """The same as one CUDA graph; itself where there is none."""
    if not clock.on_gpu:
        return run
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


@torch.no_grad()
def bare_step(batch: int, clock: Clock, layers: int = LAYERS, heads: int = HEADS, width: int = WIDTH) -> Leaf:
    """`recurrence` of one token with two reflectors in bfloat16, the states overwritten, layer after layer."""
    generator = torch.Generator(clock.device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=clock.device)

    size = 4 * batch * heads * width * width
    layers = max(1, min(layers, MAX_BYTES // size))
    k = nn.functional.normalize(normal(batch, 1, heads, 2, width), dim=-1).bfloat16()
    beta = 2 * normal(batch, 1, heads, 2).sigmoid()
    A = Householder(k=k, beta=beta, normalize=True)
    v, q = normal(batch, 1, heads, 2, width).bfloat16(), normal(batch, 1, heads, width).bfloat16()
    state = normal(batch, heads, width, width)
    exact = A.to(torch.float64)
    truth = recurrence(exact, exact.k, v.double(), q.double(), state=state.double(), algorithm=Sequential()).state
    states = [state.clone() for _ in range(layers)]

    def steps() -> None:
        for each in states:
            recurrence(A, A.k, v, q, state=each, overwrite_state=True)

    steps()
    error = max(((each - truth).norm() / truth.norm()).item() for each in (states[0], states[-1]))
    times = {name: x / layers for name, x in clock.milliseconds(repeated(steps, clock)).items()}
    return {"milliseconds": times, "bytes": 2 * size, "error": error, "layers": layers, "batch": batch}


@torch.no_grad()
def model_step(model: LanguageModel, batch: int, compiled: bool, clock: Clock, prompt: int = 16) -> Leaf:
    """One token of a whole model by :class:`DecodeGraph`, beside the model stepped without a graph.

    Bytes are those of the weights, but for the embedding, and of the states, read and written.
    """
    generator = torch.Generator(clock.device).manual_seed(0)
    shape, vocabulary = (batch, prompt + 4), model.config.vocab_size
    tokens = torch.randint(vocabulary, shape, generator=generator, device=clock.device)
    state = model(tokens[:, :prompt])[1]
    graph = DecodeGraph(model, copy.deepcopy(state), compiled=compiled)
    error = 0.0
    for token in tokens[:, prompt:].split(1, dim=1):
        logits, state = model(token, state, overwrite_state=True)
        error = ((graph(token) - logits).float().norm() / logits.float().norm()).item()
    weights = sum(x.numel() * x.element_size() for x in model.parameters())
    weights -= model.embedding.weight.numel() * model.embedding.weight.element_size()
    leaves = [x for x in tree_leaves(state) if isinstance(x, Tensor)]
    states = 2 * sum(x.numel() * x.element_size() for x in leaves)
    last = tokens[:, -1:].clone()
    return {
        "milliseconds": clock.milliseconds(lambda: graph(last)),
        "bytes": weights + states,
        "bytes of states": states,
        "error": error,
        "batch": batch,
        "compiled": compiled,
    } | kernels(lambda: graph(last), clock)


def kernels(run: Callable[[], Any], clock: Clock) -> Leaf:
    """How many kernels a run is, those that take most of it, and how long one of them runs: the rest is gaps."""
    if not clock.on_gpu:
        return {}
    run()
    clock.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as record:
        run()
        clock.synchronize()
    events = [event for event in record.events() or () if str(event.device_type) == "DeviceType.CUDA"]
    taken: dict[str, list[float]] = {}
    for event in events:
        taken.setdefault(event.name[:80], []).append(event.device_time / 1e3)
    longest = sorted(taken.items(), key=lambda item: -sum(item[1]))[:16]
    return {
        "kernels": len(events),
        "milliseconds busy": sum(sum(times) for times in taken.values()),
        "longest": [f"{sum(times):.3f} ms in {len(times)}: {name}" for name, times in longest],
    }


def speed_of_copy(clock: Clock, copied_bytes: int = 2**32) -> float:
    """Bytes per second, read and written, of a copy within the memory."""
    speed = next(leaf for name, leaf in ceilings(clock, copied_bytes, 16) if name == "copy")["bytes_per_second"]
    assert isinstance(speed, float)
    return speed


def decoding(
    clock: Clock,
    copy_speed: float,
    batches: Sequence[int] = BATCHES,
    model_batches: Sequence[int] = MODEL_BATCHES,
    reflectors: Sequence[int] = (1, 2),
    modes: Sequence[bool] = (False, True),
    **sizes: int,
) -> Iterator[tuple[str, Leaf]]:
    """Name and what was measured, one thing at a time; a fault in one is a finding, not the end of the run."""
    for batch in batches:
        yield f"step B{batch}", _shared(lambda: bare_step(batch, clock, **sizes), copy_speed)  # noqa: B023
    for count in reflectors:
        model = model_of(model_config(count, **sizes), clock.device)
        for batch in model_batches:
            for compiled in modes:
                name = f"{model.config.num_layers} layers n_h={count} B{batch}{' compiled' if compiled else ''}"
                yield name, _shared(lambda: model_step(model, batch, compiled, clock), copy_speed)  # noqa: B023
        del model


def _shared(measure: Callable[[], Leaf], copy_speed: float) -> Leaf:
    """What is measured, with the bytes per second and their share of what a copy reaches."""
    try:
        leaf = measure()
    except Exception as fault:
        return {"absent": f"fails: {type(fault).__name__}: {str(fault)[:300]}"}
    speed = leaf["bytes"] / leaf["milliseconds"]["median"] * 1e3
    return leaf | {"bytes_per_second": speed, "share_of_copy": speed / copy_speed}


def gpu_decode(clock: Clock | None = None, copied_bytes: int = 2**32, **options: Any) -> Outcome:
    """Steps and models, their bytes per second, and the share of what a copy within the memory reaches in this run.

    A bare step is bound by the bytes of the state, and for B = 1 by what it takes to start a kernel. A model's step is
    bound by the bytes of the weights and, from some batch on, of the states, as far as "busy" is all of the time.
    """
    clock = clock or Clock()
    copy_speed = speed_of_copy(clock, copied_bytes)
    found: dict[str, Leaf] = {}
    rows = []
    for name, leaf in decoding(clock, copy_speed, **options):
        found[name] = leaf
        if "absent" in leaf:
            rows.append((name, leaf["absent"], *[""] * 7))
            continue
        speed = leaf["bytes_per_second"]
        cells = (
            f"{leaf['milliseconds']['median']:.4f}",
            f"{leaf['bytes'] / 1e9:.3f}",
            f"{speed / 1e9:.0f}",
            f"{leaf['share_of_copy']:.2f}",
        )
        busy = (str(leaf["kernels"]), f"{leaf['milliseconds busy']:.3f}") if "kernels" in leaf else ("", "")
        rows.append((name, str(leaf["batch"]), *cells, f"{leaf['error']:.0e}", *busy))
    title = f"Decoding; a copy within memory reaches {copy_speed / 1e9:.0f} GB/s"
    data = {
        "benchmark": "gpu_decode",
        "environment": environment(),
        "copy_bytes_per_second": copy_speed,
        "found": found,
    }
    return Outcome(title, COLUMNS, rows, data)
