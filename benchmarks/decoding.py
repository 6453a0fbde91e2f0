"""One decoding step beside reading the whole prefix again."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.outcome import Outcome, environment
from benchmarks.timing import take_turns
from lrnn.models import LanguageModel, LanguageModelConfig

MIXERS = ("gated_deltanet", "deltanet", "mamba2", "gla", "attention")
PREFIX, LAYERS, DIM, VOCABULARY = 256, 4, 256, 256


def allocated(function) -> int:
    """Bytes that one call asks for."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        function()
    return sum(max(event.self_cpu_memory_usage, 0) for event in record.key_averages())


@torch.no_grad()
def decode(threads: int = 2, mixers: tuple[str, ...] = MIXERS) -> Outcome:
    """A model of 4 layers, D = 256: one token from the state after 256, against 256 tokens from nothing.

    The logits of both must agree before anything is timed. The bytes that a step allocates are taken at two positions:
    for a recurrence they are equal.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows, data = [], {"benchmark": "decode", "environment": environment(), "prefix": PREFIX, "mixers": {}}
        tokens = torch.randint(VOCABULARY, (1, PREFIX), generator=torch.Generator().manual_seed(0))
        for mixer in mixers:
            config = LanguageModelConfig(vocab_size=VOCABULARY, dim=DIM, num_layers=LAYERS, mixer=mixer)
            model = LanguageModel(config).eval()
            _, early = model(tokens[:, :31])
            _, late = model(tokens[:, : PREFIX - 1])
            step = model(tokens[:, -1:], late)[0]
            whole = model(tokens)[0][:, -1:]
            error = ((step - whole).norm() / whole.norm()).item()
            if not error <= 1e-4:
                raise ArithmeticError(
                    f"{mixer}: a step from the state is {error:.1e} away from reading the whole prefix"
                )
            times = take_turns({"step": lambda: model(tokens[:, -1:], late), "prefix": lambda: model(tokens)})  # noqa: B023
            memory = [allocated(lambda: model(tokens[:, -1:], state)) for state in (early, late)]  # noqa: B023
            ratio = times["prefix"].median / times["step"].median
            cells = (f"{times['step'].median:.2f}", f"{times['prefix'].median:.2f}", f"{ratio:.1f}×")
            rows.append((mixer, *cells, f"{error:.0e}", f"{memory[0]:,}", f"{memory[1]:,}"))
            data["mixers"][mixer] = {
                "milliseconds": {name: found._asdict() for name, found in times.items()},
                "ratio": ratio,
                "error": error,
                "bytes of a step at 32 and 256": memory,
            }
    finally:
        torch.set_num_threads(before)
    columns = ("mixer", "step ms", f"{PREFIX} tokens ms", "ratio", "error", "bytes at 32", f"bytes at {PREFIX}")
    return Outcome(f"Decoding: {LAYERS} layers, D = {DIM}, {threads} threads", columns, rows, data)
