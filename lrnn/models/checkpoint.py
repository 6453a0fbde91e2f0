"""A checkpoint is a folder with model.safetensors and config.json; nothing in it is ever unpickled."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from lrnn.models.files import write_whole
from lrnn.models.language_model import LanguageModel, LanguageModelConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save(model: LanguageModel, folder: str | os.PathLike[str]) -> None:
    """Write the model's weights and config to a folder, made if need be.

    Each file is written beside its place and then moved there in one step: an interruption or a full disk leaves the
    checkpoint that was there before.

    Raises:
        ValueError: the folder holds a model of another config, which is not overwritten.
        OSError: the disk is full or may not be written; the message names the file.
    """
    folder = Path(folder)
    text = json.dumps(asdict(model.config), indent=2) + "\n"
    if (folder / CONFIG).exists() and read_config(folder) != model.config:
        raise ValueError(f"{folder} holds a model of another config: choose another folder, or remove it first")
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_whole(folder / CONFIG, text.encode())
    write_whole(folder / WEIGHTS, to_bytes(tensors, metadata={"format": "pt"}))


def load(folder: str | os.PathLike[str], config: LanguageModelConfig | None = None) -> LanguageModel:
    """Read back what :func:`save` wrote, on the default device.

    Arguments:
        config: what the checkpoint must be of; None takes whatever is there.

    Raises:
        FileNotFoundError: no checkpoint is there.
        ValueError: a file is truncated or unreadable, the checkpoint is of another config, the mixer is unknown, or
            tensors are missing, unexpected or of another shape (all of them are listed).
    """
    folder = Path(folder)
    found = read_config(folder)
    if config is not None and found != config:
        raise ValueError(f"{folder} holds a model of another config: {differences(found, config)}")
    tensors = read_tensors(folder / WEIGHTS)
    model = LanguageModel(found)
    wanted = model.state_dict()
    faults = [f"{name} is missing" for name in wanted if name not in tensors]
    faults += [f"{name} is unexpected" for name in tensors if name not in wanted]
    for name, tensor in tensors.items():
        if name in wanted and tensor.shape != wanted[name].shape:
            faults.append(f"{name} has shape {tuple(tensor.shape)}, wanted {tuple(wanted[name].shape)}")
        elif name in wanted and not tensor.is_floating_point():
            faults.append(f"{name} has dtype {tensor.dtype}, wanted floating point")
    if faults:
        raise ValueError(f"{folder / WEIGHTS} does not fit {folder / CONFIG}: " + "; ".join(faults))
    dtypes = {tensor.dtype for tensor in tensors.values()}
    model.to(dtype=dtypes.pop() if len(dtypes) == 1 else torch.float32)
    model.load_state_dict(tensors)
    return model


def read_config(folder: Path) -> LanguageModelConfig:
    """The config in a checkpoint's folder."""
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: {folder} holds no checkpoint of a model")
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON (truncated?): {error}") from None
    legal = [option.name for option in fields(LanguageModelConfig)]
    if not isinstance(data, dict) or "vocab_size" not in data or not set(data) <= set(legal):
        got = ", ".join(data) if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{path} is not the config of a language model: has {got}; wanted {', '.join(legal)}")
    try:
        return LanguageModelConfig(**data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: the checkpoint has a config but no weights")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        reason = re.sub(r"\s+", " ", str(error))
        raise ValueError(f"{path} cannot be read as safetensors (truncated or not a checkpoint): {reason}") from None


def differences(found: LanguageModelConfig, wanted: LanguageModelConfig) -> str:
    """Every field, also of the mixer, in which two configs differ."""
    return "; ".join(
        f"{name} is {a!r}, wanted {b!r}"
        for name, a, b in (
            (name, flatten(found).get(name, "absent"), flatten(wanted).get(name, "absent"))
            for name in flatten(found) | flatten(wanted)
        )
        if a != b
    )


def flatten(config: LanguageModelConfig) -> dict[str, Any]:
    """The fields of a config with those of its mixer beside them."""
    data = asdict(config)
    inner = data.pop("mixer_config")
    return data | {f"mixer_config.{name}": value for name, value in inner.items()}
