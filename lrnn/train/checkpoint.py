"""A checkpoint is one safetensors file: weights, optimizer state, and the scalars as JSON. Nothing is pickled."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from lrnn.models.files import write_whole

_NAME = re.compile(r"step-(\d{8})\.safetensors")
_FORMAT = "lrnn checkpoint 1"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, `step-00000100.safetensors` and so on.

    A file holds `model.<name>` for every weight and `optimizer.<o>.<p>.<name>` for every state tensor of parameter p
    of optimizer o; its header holds the scalars (numbers in the optimizers' states, groups, the loop's own counters).
    """

    folder: Path
    keep: int = 2

    def steps(self) -> list[int]:
        """The steps with a checkpoint, oldest first."""
        found = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match.group(1)) for match in found if match)

    def path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}.safetensors"

    def write(self, step: int, model: nn.Module, optimizers: Sequence[Optimizer], loop: dict[str, Any]) -> Path:
        """Write a checkpoint whole, then remove all but the newest `keep`.

        Raises OSError (a full disk) with every earlier checkpoint left as it was.
        """
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        scalars: list[dict[str, Any]] = []
        for o, optimizer in enumerate(optimizers):
            state = optimizer.state_dict()
            numbers: dict[str, dict[str, Any]] = {}
            for p, entries in state["state"].items():
                for name, value in entries.items():
                    if isinstance(value, Tensor):
                        tensors[f"optimizer.{o}.{p}.{name}"] = value
                    else:
                        numbers.setdefault(str(p), {})[name] = value
            scalars.append({"groups": state["param_groups"], "numbers": numbers})
        header = {"format": _FORMAT, "step": step, "loop": loop, "optimizers": scalars}
        # Two names of one tensor (tied weights) are two copies in the file: safetensors refuses shared memory.
        whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        path = self.path(step)
        write_whole(path, save(whole, metadata={"lrnn": json.dumps(header)}))
        for old in self.steps()[: -self.keep]:
            self.path(old).unlink(missing_ok=True)
        return path

    def read(self, step: int, model: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Any]:
        """Put a checkpoint into `model` and `optimizers`; the loop's counters are returned.

        Raises ValueError if the file cannot be read or is of another model or other optimizers; both are then left
        as they were.
        """
        path = self.path(step)
        header, tensors = read_file(path)
        weights = _weights(path, tensors, model)
        states = [_optimizer_state(path, o, header, tensors, optimizer) for o, optimizer in enumerate(optimizers)]
        model.load_state_dict(weights)
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.load_state_dict(state)
        return header["loop"]

    def read_model(self, step: int, model: nn.Module) -> None:
        """Put only the weights of a checkpoint into `model`. Raises ValueError as `read` does."""
        _, tensors = read_file(self.path(step))
        model.load_state_dict(_weights(self.path(step), tensors, model))


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a checkpoint.

    Raises ValueError naming the file if it is missing, truncated, or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("lrnn", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read as a checkpoint: {error}. If it was cut short, remove it: the run then resumes "
            "from the checkpoint before it"
        ) from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError(f"{path} is a safetensors file but not a checkpoint of a run")
    return header, tensors


def all_finite(model: nn.Module) -> bool:
    """Is every weight a finite number?"""
    return all(bool(p.isfinite().all()) for p in model.parameters())


def _weights(path: Path, tensors: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    want = model.state_dict()
    have = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    faults = [f"{name} is missing" for name in want if name not in have]
    faults += [f"{name} is not in the model" for name in have if name not in want]
    faults += [
        f"{name} has shape {tuple(have[name].shape)}, the model's is {tuple(want[name].shape)}"
        for name in want
        if name in have and have[name].shape != want[name].shape
    ]
    if faults:
        raise ValueError(f"{path} is a checkpoint of another model: " + "; ".join(faults))
    return have


def _optimizer_state(
    path: Path, o: int, header: dict[str, Any], tensors: dict[str, Tensor], optimizer: Optimizer
) -> dict[str, Any]:
    groups = optimizer.state_dict()["param_groups"]
    saved = header["optimizers"]
    if o >= len(saved) or [g["params"] for g in saved[o]["groups"]] != [g["params"] for g in groups]:
        raise ValueError(f"{path} is a checkpoint of another optimizer")
    state: dict[int, dict[str, Any]] = {int(p): dict(entries) for p, entries in saved[o]["numbers"].items()}
    prefix = f"optimizer.{o}."
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            p, entry = name.removeprefix(prefix).split(".", 1)
            state.setdefault(int(p), {})[entry] = tensor
    # JSON has lists for tuples; the group of the live optimizer knows which of its values are tuples.
    restored = [
        {key: tuple(value) if isinstance(live.get(key), tuple) else value for key, value in group.items()}
        for group, live in zip(saved[o]["groups"], groups, strict=True)
    ]
    return {"state": state, "param_groups": restored}
