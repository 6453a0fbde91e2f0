"""The user's own words, from a file.

Shapes: B words in a batch · T letters of the widest word · N words of the file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from lrnn.tasks.task import NOT_ASKED, Split, Task, listing, refuse, require_at_least
from lrnn.tasks.words_file import Entry, read_words


@dataclass(frozen=True, kw_only=True)
class Words(Task):
    """Labelled words from a TSV or JSONL file, split by word: none is dealt in both training and testing.

    The format is that of :mod:`lrnn.tasks.words_file`: one word and its label on each line, or a label for each letter.
    A word that comes more than once counts once. The split is drawn within each label (that of the last asked letter),
    so that both parts hold about the same share of it. A batch draws uniformly, with repetition, among the words of
    its part whose length is in the range. Letters and answers are sorted, answers as numbers if all of them are.

    Chance is the share of the commonest answer in the file.

    Raises OSError if the file cannot be read; ValueError with file, line and reason of every bad line (at most 20 are
    shown), in which case nothing is read; for fewer than two words or two different labels; for ``test_share`` outside
    (0, 1).
    """

    words: str
    """A .tsv file (word, tab, label) or a .jsonl file ({"word": …, "label": …}, or "labels" for each letter)."""
    separator: str = ""
    """What stands between two letters of a word; nothing, if every character is a letter."""
    test_share: float = 0.2
    """Share of the words that is kept for testing, between 0 and 1."""
    split_seed: int = 0
    """Decides which words are kept for testing."""

    name: ClassVar[str] = "words"

    def __post_init__(self) -> None:
        faults = [] if 0 < self.test_share < 1 else [f"test_share must be between 0 and 1, got {self.test_share}"]
        refuse(faults + require_at_least("split_seed", self.split_seed, 0))
        entries, _ = self._file
        if len(entries) < 2:
            raise ValueError(f"words = {self.words}: holds {len(entries)} word; two are needed, to train and to test")
        if len(self.classes) < 2:
            raise ValueError(
                f"words = {self.words}: every label is {listing(self.classes)}, so there is nothing to learn"
            )

    @cached_property
    def _file(self) -> tuple[list[Entry], int]:
        return read_words(Path(self.words), self.separator)

    @cached_property
    def _answers(self) -> Counter[str]:
        return Counter(label for entry in self._file[0] for label in entry.labels if label is not None)

    @cached_property
    def alphabet(self) -> tuple[str, ...]:
        return tuple(sorted({letter for entry in self._file[0] for letter in entry.word}))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        numbers = all(label.lstrip("-").isdecimal() for label in self._answers)
        return tuple(sorted(self._answers, key=(lambda label: (int(label), label)) if numbers else None))

    @property
    def chance(self) -> float:
        return max(self._answers.values()) / sum(self._answers.values())

    @cached_property
    def split(self) -> dict[Split, np.ndarray]:
        """Numbers of the words for training and for testing, in the order of the file without its repeats."""
        entries, _ = self._file
        rng = np.random.Generator(np.random.PCG64(self.split_seed))
        last = [next(label for label in reversed(entry.labels) if label is not None) for entry in entries]
        order = rng.permutation(len(entries))
        order = order[np.argsort(np.array([self.classes.index(last[word]) for word in order]), kind="stable")]
        # With the words of one label next to each other, one at every 1 / test_share places is a share of each label.
        steps = np.floor(rng.random() + self.test_share * np.arange(len(order) + 1))
        test = np.diff(steps) > 0
        if not test.any() or test.all():  # of very few words
            test[rng.integers(len(order))] ^= True
        return {"train": np.sort(order[~test]), "test": np.sort(order[test])}

    @property
    def summary(self) -> str:
        """What was read, in a few words and numbers."""
        entries, repeats = self._file
        lengths = [len(entry.word) for entry in entries]
        answers = ", ".join(f"{label} {self._answers[label]:,}" for label in self.classes[:10])
        return (
            f"{self.words}: {len(entries):,} different words ({repeats:,} repeats left out), "
            f"{len(self.split['train']):,} to train and {len(self.split['test']):,} to test; "
            f"{min(lengths)} to {max(lengths)} letters of {len(self.alphabet)}; "
            f"{len(self.classes)} answers: {answers}{', …' if len(self.classes) > 10 else ''}"
        )

    @cached_property
    def _tokens(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All words laid end to end, their labels, and where each word begins, with the end of the last one."""
        entries, _ = self._file
        letters = {letter: token for token, letter in enumerate(self.alphabet)}
        answers = {None: NOT_ASKED, **{label: number for number, label in enumerate(self.classes)}}
        tokens = np.array([letters[letter] for entry in entries for letter in entry.word], dtype=np.int64)
        labels = np.array([answers[label] for entry in entries for label in entry.labels], dtype=np.int64)
        return tokens, labels, np.cumsum([0, *(len(entry.word) for entry in entries)])

    def _lengths(self, split: Split) -> np.ndarray:
        return np.diff(self._tokens[2])[self.split[split]]

    def lengths_between(self, shortest: int, longest: int, split: Split = "train") -> tuple[int, ...]:
        lengths = np.unique(self._lengths(split))
        return tuple(lengths[(lengths >= shortest) & (lengths <= longest)].tolist())

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = self._lengths(split)
        candidates = self.split[split][(lengths >= shortest) & (lengths <= longest)]
        if not len(candidates):
            raise ValueError(
                f"words = {self.words}: no {split} word has {shortest} to {longest} letters; "
                f"lengths are {listing(np.unique(lengths).tolist())}"
            )
        tokens, labels, starts = self._tokens
        chosen = candidates[rng.integers(0, len(candidates), batch)]
        where = np.minimum(starts[chosen][:, None] + np.arange(longest), len(tokens) - 1)
        return tokens[where], labels[where], np.diff(starts)[chosen]
