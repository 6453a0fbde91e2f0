"""Generating is reading the prompt once and then one token at a time, by the same forward."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lrnn.models.decode_graph import DecodeGraph
from lrnn.models.language_model import LanguageModel


@torch.no_grad()
def generate(
    model: LanguageModel,
    prompt: Int[Tensor, "B T"],
    length: int,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    seed: int = 0,
    graph: bool = False,
) -> Int[Tensor, "B L"]:
    """The next ``length`` tokens after each prompt, [B, length].

    With a linear mixer a step costs the same at every position, in time and in memory.

    Arguments:
        prompt: at least one token per row.
        length: how many tokens, >= 0.
        temperature: 0 takes the most likely token; else logits are divided by it and a token is drawn.
        top_k: draw only among so many most likely tokens; None is all of them.
        seed: decides the draws.
        graph: record the step once and replay it (:class:`lrnn.models.DecodeGraph`); the same tokens, sooner if they
            are many and the model is on a GPU.

    Raises:
        ValueError: an argument out of its range, a model whose classes are not its vocabulary, or ``graph`` of a model
            whose state grows.
    """
    classes = model.config.num_classes or model.config.vocab_size
    faults = []
    if classes != model.config.vocab_size:
        faults.append(f"the model has {classes} classes for {model.config.vocab_size} tokens: it says no next token")
    if length < 0:
        faults.append(f"length = {length}: must be >= 0")
    if not 0 <= temperature < float("inf"):
        faults.append(f"temperature = {temperature}: must be a number >= 0")
    if top_k is not None and not 1 <= top_k <= classes:
        faults.append(f"top_k = {top_k}: must be None or in 1…{classes}")
    if top_k is not None and temperature == 0:
        faults.append("top_k: needs temperature > 0, for at 0 the most likely token is taken")
    if faults:
        raise ValueError("; ".join(faults))
    generator = torch.Generator(prompt.device).manual_seed(seed)
    tokens = prompt.new_zeros(prompt.shape[0], length)
    if not length:
        return tokens
    logits, state = model(prompt)
    recorded = DecodeGraph(model, state) if graph and length > 1 else None
    for step in range(length):
        last = choose(logits[:, -1], temperature, top_k, generator)
        tokens[:, step : step + 1] = last
        if step + 1 == length:
            break
        if recorded is not None:
            logits = recorded(last)
        else:
            logits, state = model(last, state, overwrite_state=True)
    return tokens


def choose(
    logits: Float[Tensor, "B C"], temperature: float, top_k: int | None, generator: torch.Generator
) -> Int[Tensor, "B 1"]:
    """One token per row."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    if top_k is not None:
        least = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    return torch.multinomial((logits.float() / temperature).softmax(-1), 1, generator=generator)
