"""Training throughput of one model, with our mixers and with a peer's layers in the same blocks."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import gpu_peers
from benchmarks.gpu_clock import Clock
from benchmarks.peers import attempt
from lrnn.models import LanguageModel, LanguageModelConfig

LENGTH, BATCHES = 4096, (16, 8, 4)


def deltaproduct_340m() -> LanguageModelConfig:
    """Gated DeltaProduct: 24 layers, D = 1024, 8 heads of K = V = 128, n_h = 2, β in (0, 2), an MLP of 7/4 D."""
    return LanguageModelConfig(
        vocab_size=32000,
        dim=1024,
        num_layers=24,
        mixer="gated_deltaproduct",
        mixer_config={"num_heads": 8, "value_dim": 128, "num_householders": 2, "eigenvalues": (-1, 1)},
        mlp_ratio=7 / 4,
        tie_weights=True,
    )


class PeerMixer(nn.Module):
    """flash-linear-attention's GatedDeltaProduct where ours was."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        mixer: Any = config.mixer_config
        H, K, V = mixer.state_shape
        self.layer = gpu_peers.deltaproduct_layer(
            hidden_size=config.dim,
            head_dim=K,
            num_heads=H,
            expand_v=V / K,
            num_householder=mixer.num_householders,
            allow_neg_eigval=mixer.eigenvalues == (-1, 1),
            use_forget_gate=True,
            use_output_gate=mixer.output_gate,
            conv_size=mixer.conv_size,
            layer_idx=0,  # looked at with a cache only, and a number per layer would be compiled anew
        )

    def forward(self, x: Tensor, state: Any = None, packing: Any = None) -> tuple[Tensor, None]:
        return self.layer(x)[0], None


def with_peer_layers(model: LanguageModel) -> LanguageModel:
    """The same embedding, norms, MLPs and head, and the peer's layers.

    Raises:
        Absent: the peer is not installed.
    """
    other = copy.deepcopy(model)
    device = next(model.parameters()).device
    for block in other.blocks:
        block.mixer = PeerMixer(model.config).to(device)
    return other


class Trainer:
    """Forward in bfloat16 autocast with float32 parameters, backward, AdamW: one step a call."""

    def __init__(self, model: LanguageModel, batch: int, length: int, device: str, compiled: bool) -> None:
        self.device = device
        g = torch.Generator(device).manual_seed(0)
        tokens = torch.randint(model.config.vocab_size, (batch, length + 1), generator=g, device=device)
        self.words, self.next = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        self.model = model
        if compiled:
            for block in model.blocks:  # all alike, so one compilation serves them all
                block.compile()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=device.startswith("cuda"))
        self.losses: list[Tensor] = []

    def __call__(self) -> None:
        with torch.autocast(self.device.partition(":")[0], torch.bfloat16):
            logits = self.model(self.words)[0]
            loss = F.cross_entropy(logits.flatten(0, 1), self.next.flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.detach())


def training(
    clock: Clock,
    config: LanguageModelConfig | None = None,
    length: int = LENGTH,
    batches: Sequence[int] = BATCHES,
    modes: Sequence[bool] = (False, True),
    steps: int = 5,
    with_peers: bool = True,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and tokens per second of each model, as it is written and compiled, at the largest batch that fits.

    Arguments:
        batches: tried from left to right, until one fits into memory.
        modes: whether the model's blocks are given to ``torch.compile``.
        steps: timed after two that are not.
    """
    config = config or deltaproduct_340m()
    ours = LanguageModel(config)
    for compiled in modes:
        for who in ("lrnn", *(("fla",) if with_peers else ())):
            name = f"{who}{' compiled' if compiled else ''}"
            yield name, attempt(lambda: _largest(who, ours, length, batches, compiled, steps, clock))  # noqa: B023


def _largest(
    who: str, ours: LanguageModel, length: int, batches: Sequence[int], compiled: bool, steps: int, clock: Clock
) -> dict[str, Any]:
    model = (copy.deepcopy(ours) if who == "lrnn" else with_peer_layers(ours)).to(clock.device)
    parameters = sum(x.numel() for x in model.parameters())
    found: dict[str, Any] = {"parameters": parameters, "compiled": compiled, "length": length, "too_large": []}
    for batch in batches:
        try:
            with gpu_peers.unguarded():
                return (
                    found
                    | {"batch": batch}
                    | _speed(Trainer(model, batch, length, clock.device, compiled), steps, clock)
                )
        except torch.OutOfMemoryError:
            found["too_large"].append(batch)
        model.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
    return found | {"absent": f"no batch of {batches} fits into memory"}


def _speed(train: Trainer, steps: int, clock: Clock) -> dict[str, Any]:
    first = clock.seconds(train) + clock.seconds(train)
    seconds = sorted(clock.seconds(train) for _ in range(steps))
    middle = seconds[len(seconds) // 2]
    losses = [x.item() for x in train.losses]
    return {
        "first_steps": first,
        "milliseconds": {"median": 1e3 * middle, "low": 1e3 * seconds[0], "high": 1e3 * seconds[-1]},
        "tokens_per_second": train.words.numel() / middle,
        "bytes": clock.peak_bytes(train, beyond=False),
        "loss": [losses[0], losses[-1]],
    }
