"""A compiled model with its machine and its certificate, in memory and in a folder.

Shapes: B words · T letters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, Int64

from lrnn.automata import Machine
from lrnn.compiler.certificate import Certificate
from lrnn.compiler.draft import Exactness
from lrnn.models import LanguageModel, load, save
from lrnn.models.files import write_whole

VOCABULARY, MACHINE, CERTIFICATE = "vocabulary.json", "machine.json", "certificate.json"


@dataclass(frozen=True)
class Vocabulary:
    """What tokens and classes of the model mean."""

    alphabet: tuple[str, ...]
    """Token number a is the letter ``alphabet[a]``."""
    labels: tuple[str, ...]
    """Class number c is the label ``labels[c]``."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """A model that is a machine.

    The model is asked after every letter. The empty word is not asked: its label is ``empty_label``.
    """

    model: LanguageModel
    """An ordinary model: train it, save it, plot it."""
    machine: Machine
    """What it computes, minimal."""
    language: str
    """What it was compiled from, for people."""
    structure: str
    exactness: Exactness
    method: str
    """How it works, in a sentence."""
    certificate: Certificate | None = None
    """None if nothing was verified."""

    @property
    def vocabulary(self) -> Vocabulary:
        """What tokens and classes mean."""
        return Vocabulary(self.machine.alphabet, self.machine.names)

    @property
    def empty_label(self) -> str:
        """The label of the empty word."""
        return self.machine.names[self.machine.labels[self.machine.start]]

    @torch.no_grad()
    def run(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T"]:
        """The label that the model gives after every letter of every word, all as numbers."""
        tokens = torch.from_numpy(np.ascontiguousarray(words, dtype=np.int64))
        logits, _ = self.model(tokens.to(self.model.embedding.weight.device))
        return logits.argmax(-1).cpu().numpy()

    def label(self, word: Iterable[str]) -> str:
        """The label of a word (a str is read one character at a time). Raises ValueError for unknown letters."""
        letters = self.machine.encode(word)
        if not len(letters):
            return self.empty_label
        return self.machine.names[self.run(letters[None])[0, -1]]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model as :func:`lrnn.models.save` does, and beside it ``vocabulary.json``, ``machine.json`` and,
        where there is one, ``certificate.json``; each file whole or not at all.

        Raises ValueError if the folder holds a model of another config, OSError if it may not be written.
        """
        folder = Path(folder)
        save(self.model, folder)
        machine = {
            "language": self.language,
            "structure": self.structure,
            "exactness": self.exactness,
            "method": self.method,
            "delta": self.machine.delta.tolist(),
            "start": self.machine.start,
            "labels": self.machine.labels.tolist(),
        }
        vocabulary = {"alphabet": self.machine.alphabet, "labels": self.machine.names}
        write_whole(folder / VOCABULARY, json.dumps(vocabulary, ensure_ascii=False) + "\n")
        write_whole(folder / MACHINE, json.dumps(machine, ensure_ascii=False) + "\n")
        if self.certificate is not None:
            write_whole(folder / CERTIFICATE, self.certificate.to_json())
        else:
            (folder / CERTIFICATE).unlink(missing_ok=True)  # that of other weights would be a lie


def read_vocabulary(folder: str | os.PathLike[str]) -> Vocabulary:
    """What tokens and classes mean in a folder that :meth:`Compiled.save` wrote; the model is not read.

    Raises FileNotFoundError or ValueError if there is no such file, or another one.
    """
    path = Path(folder) / VOCABULARY
    data = _read(path)
    try:
        return Vocabulary(tuple(data["alphabet"]), tuple(data["labels"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not of a compiled model: {error}") from None


def load_compiled(folder: str | os.PathLike[str]) -> Compiled:
    """Read back what :meth:`Compiled.save` wrote.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is unreadable, or the machine has other letters or labels than the model.
    """
    folder = Path(folder)
    model = load(folder)
    vocabulary, spec = read_vocabulary(folder), _read(folder / MACHINE)
    try:
        machine = Machine(
            alphabet=vocabulary.alphabet,
            delta=spec["delta"],
            start=spec["start"],
            labels=spec["labels"],
            names=vocabulary.labels,
        )
        about = {name: spec[name] for name in ("language", "structure", "exactness", "method")}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / MACHINE} is not of a compiled model: {error}") from None
    sizes = (model.config.vocab_size, model.config.num_classes)
    if sizes != (len(machine.alphabet), machine.num_labels):
        raise ValueError(
            f"{folder}: the model has {sizes[0]} tokens and {sizes[1]} classes, the machine {len(machine.alphabet)} "
            f"letters and {machine.num_labels} labels"
        )
    path = folder / CERTIFICATE
    certificate = Certificate.from_json(path.read_text()) if path.is_file() else None
    return Compiled(model=model, machine=machine, certificate=certificate, **about)


def _read(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: {path.parent} holds no compiled model")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON (truncated?): {error}") from None
