"""What a trained model's transitions and states became, token by token.

Shapes: B words · T letters · H heads · K state rows · V state columns · R reflectors · n occurrences of a token.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from lrnn.analysis.eigenvalues import eigenvalues
from lrnn.layers import Drive, LinearMixer
from lrnn.models import LanguageModel
from lrnn.recurrence import recurrence
from lrnn.transition import Householder, Transition


@torch.no_grad()
def drives(model: LanguageModel, words: Int[Tensor, "B T"]) -> dict[int, Drive]:
    """Layer (from 0) to A_t, k_t, v_t, q_t of the words, for every layer whose mixer is linear.

    Raises ValueError if no layer is: a model of attention or LSTMs has no transition to look at.
    """
    training = model.training
    model.eval()
    try:
        found = {layer: drive for layer, drive in enumerate(model.drives(words)) if drive is not None}
    finally:
        model.train(training)
    if not found:
        raise ValueError(f"model: its mixer {model.config.mixer} is no linear recurrence and has no transition A_t")
    return found


def eigenvalues_by_token(
    model: LanguageModel, words: Int[Tensor, "B T"]
) -> dict[int, dict[int, Complex[Tensor, "n H K"]]]:
    """Layer to token to the eigenvalues of A_t wherever the token stands.

    In a first layer without short convolution A_t is a function of the token alone; else it depends on what came
    before, and the n rows differ.

    Raises ValueError as `drives`.
    """
    return {
        layer: _by_token(words, eigenvalues(_flat(drive.A)).unflatten(0, words.shape))
        for layer, drive in drives(model, words).items()
    }


def beta_by_token(model: LanguageModel, words: Int[Tensor, "B T"]) -> dict[int, dict[int, Float[Tensor, "n H R"]]]:
    """Layer to token to β_t wherever the token stands, for the layers made of Householder matrices (maybe none).

    Raises ValueError as `drives`.
    """
    return {
        layer: _by_token(words, drive.A.beta)
        for layer, drive in drives(model, words).items()
        if isinstance(drive.A, Householder)
    }


@torch.no_grad()
def states(model: LanguageModel, words: Int[Tensor, "B T"], layer: int) -> Tensor:
    """S_0, S_1, …, S_T of one layer, [B, T + 1, H, K, V].

    Raises ValueError for a layer that is not linear.
    """
    found = drives(model, words)
    if layer not in found:
        raise ValueError(f"layer = {layer}: must be one of {', '.join(map(str, found))}, counted from 0")
    A, k, v, *_, strength, _ = found[layer]
    mixer = model.blocks[layer].mixer
    assert isinstance(mixer, LinearMixer)
    first = mixer.initial(words.shape[0])
    B, _, H, K = A.shape
    dtype = torch.promote_types(A.dtype, torch.float32)
    state = torch.zeros(B, H, K, v.shape[-1], dtype=dtype, device=v.device) if first is None else first.to(dtype)
    return torch.cat([state[:, None], recurrence(A, k, v, None, state=state, strength=strength).y], dim=1)


def singular_values(model: LanguageModel, words: Int[Tensor, "B T"], layer: int) -> Float[Tensor, "B T1 H KV"]:
    """Singular values of S_0, …, S_T, largest first; the last axis has min(K, V).

    Reflections and rotations leave all of them alone as long as nothing is written. Raises ValueError as `states`.
    """
    return torch.linalg.svdvals(states(model, words, layer))


def _flat(A: Transition) -> Transition:
    """The same matrices with one leading axis B·T in place of [B, T]."""
    return A.map(lambda tensor: tensor.flatten(0, 1))


def _by_token(words: Tensor, values: Tensor) -> dict[int, Tensor]:
    return {int(token): values[words == token].detach().cpu() for token in words.unique()}
