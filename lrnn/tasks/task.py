"""A task says what is to be computed and deals endless labelled words.

Shapes: B words in a batch · T letters of the widest word · C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

NOT_ASKED = -100
"""Label of a position at which nothing is asked: the value that torch's cross entropy ignores."""

Ask = Literal["end", "every"]
"""Where a task asks: ``end`` once, at the last letter; ``every`` at every letter where the answer makes sense."""

Split = Literal["train", "test"]
"""Which words are dealt: two streams that share no random numbers, and for words of a file no words either."""

Seed = int | Sequence[int] | torch.Generator | np.random.Generator
"""What decides a batch. An int or a sequence of ints, as ``(seed, step)``, gives the same batch at every call; a
generator gives the next one."""


class Batch(NamedTuple):
    """B labelled words. Behind the end of a word stand token 0 and label -100."""

    words: Int64[Tensor, "B T"]
    """Tokens in [0, len(alphabet))."""
    labels: Int64[Tensor, "B T"]
    """Classes in [0, num_classes), or -100 where nothing is asked."""
    lengths: Int64[Tensor, "B"]
    """Number of letters of each word, in [1, T]."""


class Task(ABC):
    """What is to be computed, as a frozen keyword-only dataclass: its fields are the whole setting.

    A label is always a function of the letters up to and including its own position, never of later ones. Where the
    answer is a product of letters, label_t = x_t ∘ … ∘ x_1: the newest letter stands on the left, as in
    S_t = A_t … A_1 S_0.
    """

    name: ClassVar[str]
    """Name in ``lrnn.tasks.TASKS`` and on the command line."""

    @property
    @abstractmethod
    def alphabet(self) -> tuple[str, ...]:
        """The letters; token i means ``alphabet[i]``."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """The answers; label i means ``classes[i]``."""

    @property
    def num_classes(self) -> int:
        """Number of different answers."""
        return len(self.classes)

    @property
    def chance(self) -> float:
        """Accuracy that counts as knowing nothing, in [0, 1): 1 / num_classes, as in the literature, unless the task
        says otherwise."""
        return 1 / self.num_classes

    def chance_between(self, shortest: int, longest: int) -> float:
        """Chance on words of these lengths only, where that is known to differ from :attr:`chance`; 1 if their answers
        are all the same, so that there is nothing to know."""
        return self.chance

    @property
    def shortest(self) -> int:
        """Length of the shortest word that can be dealt."""
        return 1

    @property
    def longest(self) -> int | None:
        """Length of the longest word that can be dealt, or None if there is no limit."""
        return None

    def lengths_between(self, shortest: int, longest: int, split: Split = "train") -> tuple[int, ...]:
        """All lengths in [shortest, longest] that :meth:`sample` can deal; may be empty."""
        top = longest if self.longest is None else min(longest, self.longest)
        return tuple(range(max(shortest, self.shortest), top + 1))

    def sample(self, batch: int, length: int | tuple[int, int], seed: Seed, split: Split = "train") -> Batch:
        """Deal ``batch`` words.

        Arguments:
            batch: number of words, at least 1.
            length: of every word; or ``(shortest, longest)``, both included: each word then has its own length,
                uniform in that range unless the task says otherwise, and the batch is ``longest`` letters wide.
            seed: decides everything. The same arguments give the same batch, on every machine.
            split: ``"train"`` or ``"test"``; the same seed gives different words in the two.

        Raises ValueError if ``batch`` is not positive, if no word of that length exists, or if ``split`` is unknown.
        """
        shortest, longest = self._checked(batch, length, split)
        words, labels, lengths = self.deal(batch, shortest, longest, _generator(seed, split), split)
        if lengths.min() < words.shape[1]:
            outside = np.arange(words.shape[1]) >= lengths[:, None]
            words = np.where(outside, 0, words)
            labels = np.where(outside, np.int64(NOT_ASKED), labels)  # a bare -100 would wrap around in uint8
        return Batch(*(torch.from_numpy(np.ascontiguousarray(x, dtype=np.int64)) for x in (words, labels, lengths)))

    @abstractmethod
    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Words [B, longest], labels [B, longest] and lengths [B] as integer arrays; the arguments are legal already.

        What stands behind the end of a word is overwritten by :meth:`sample`.
        """

    def encode(self, word: str | Sequence[str]) -> Int64[Tensor, "T"]:
        """The tokens of a word, given as a sequence of letters; a str is read one character at a time.

        Raises ValueError naming the letters that are not in the alphabet.
        """
        tokens = {letter: token for token, letter in enumerate(self.alphabet)}
        unknown = sorted({letter for letter in word if letter not in tokens})
        if unknown:
            raise ValueError(f"word has letters outside the alphabet: {listing(unknown)}; legal: {listing(tokens)}")
        return torch.tensor([tokens[letter] for letter in word], dtype=torch.int64)

    def decode(self, tokens: Int64[Tensor, "T"]) -> tuple[str, ...]:
        """The letters of a word given as tokens."""
        return tuple(self.alphabet[token] for token in tokens.tolist())

    def _checked(self, batch: int, length: int | tuple[int, int], split: str) -> tuple[int, int]:
        shortest, longest = (length, length) if isinstance(length, int) else length
        faults = []
        if batch < 1:
            faults.append(f"batch must be at least 1, got {batch}")
        if split not in get_args(Split):
            faults.append(f"split must be one of {listing(get_args(Split))}, got {split!r}")
        if shortest > longest:
            faults.append(f"length = ({shortest}, {longest}) has no length in it; write (shortest, longest)")
        elif shortest < self.shortest or (self.longest is not None and longest > self.longest):
            legal = f"at least {self.shortest}" + ("" if self.longest is None else f" and at most {self.longest}")
            faults.append(f"length must be {legal} in the task {self.name}, got {length}")
        if faults:
            raise ValueError("; ".join(faults))
        return shortest, longest


def uniform_lengths(rng: np.random.Generator, batch: int, shortest: int, longest: int) -> np.ndarray:
    """A length for each word, uniform in [shortest, longest]."""
    return rng.integers(shortest, longest + 1, batch)


def asked(labels: np.ndarray, lengths: np.ndarray, ask: Ask) -> np.ndarray:
    """``labels`` [B, T] as they are, or -100 everywhere but at the last letter of each word."""
    if ask == "every":
        return labels
    rows = np.arange(len(lengths))
    kept = np.full(labels.shape, NOT_ASKED, dtype=np.int64)
    kept[rows, lengths - 1] = labels[rows, lengths - 1]
    return kept


def require_choice(name: str, value: Any, legal: Sequence[Any]) -> list[str]:
    """No fault if ``value`` is one of ``legal``, else one that lists them."""
    return [] if value in legal else [f"{name} must be one of {listing(legal)}, got {value!r}"]


def require_at_least(name: str, value: int, least: int) -> list[str]:
    """No fault if ``value`` is at least ``least``, else one that says so."""
    return [] if value >= least else [f"{name} must be at least {least}, got {value}"]


def refuse(faults: Sequence[str]) -> None:
    """Raise one ValueError for all faults of a call, or none."""
    if faults:
        raise ValueError("; ".join(faults))


def listing(names: Any, most: int = 20) -> str:
    """``'a', 'b', … (7 more)``"""
    names = list(names)
    more = f", … ({len(names) - most} more)" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more


def _generator(seed: Seed, split: str) -> np.random.Generator:
    """The seed sequence hashes what it is given, so neighbors give unrelated streams; the split is part of it."""
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, torch.Generator):
        seed = int(torch.randint(2**62, (), generator=seed, device=seed.device))
    parts = [seed] if isinstance(seed, int) else list(seed)
    if any(part < 0 for part in parts) or not parts:
        raise ValueError(f"seed must be an integer >= 0 or a sequence of them, got {seed}")
    return np.random.Generator(np.random.PCG64([len(parts), *parts, get_args(Split).index(split)]))
