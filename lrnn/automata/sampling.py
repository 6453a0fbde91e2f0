"""Random words of a given length and label.

Shapes: B words · L longest length · T letters of the widest word · Q states · A letters of the alphabet.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from lrnn.automata.continuations import Continuations
from lrnn.automata.dfa import DFA
from lrnn.automata.machine import Machine
from lrnn.automata.walk import Walk

MAX_LENGTH = 2**24


class WordSampler:
    """Uniformly random words of any length and any label.

    From state q with r letters to go, letter a is drawn with probability N_{r−1}(delta[q, a]) / N_r(q), where N_r(q)
    counts the words of length r that lead from q to a state with the label wanted: that is uniform over all such words,
    up to rounding (in the automata measured, 10⁻¹³ of a probability at 10⁶ letters). Only the probabilities for
    short words are kept; those for long ones are made in blocks, from checkpoints, while the word is drawn, so that a
    word of 10⁶ letters takes seconds and little memory beside the word.

    Arguments:
        machine: an automaton, which has the labels 0 or False for rejected and 1 or True for accepted words; or a
            machine, which has its own.
        max_length: cap on the lengths, which guards against a word that no memory holds.

    Every method raises ValueError for a length that is negative or above the cap.

    >>> sampler = WordSampler(DFA.from_regex("a*b*"))
    >>> words, states = sampler.sample(np.array([8, 3]), np.array([True, True]), np.random.default_rng(0))
    >>> words.shape, bool((np.diff(words[0]) >= 0).all())
    ((2, 8), True)
    """

    def __init__(self, machine: DFA | Machine, max_length: int = MAX_LENGTH) -> None:
        self.machine = Machine.of(machine) if isinstance(machine, DFA) else machine
        self.max_length = max_length
        num_labels = self.machine.num_labels
        self._ahead = Continuations(self.machine.delta, self.machine.start, self.machine.labels, num_labels)
        self._walk = Walk(self.machine.delta, num_labels)

    def exists(self, lengths: Int[np.ndarray, "*n"], label: bool | int) -> Bool[np.ndarray, "*n"]:
        """Is there a word of each of these lengths with the label?"""
        self._check(lengths, np.array(int(label)))
        return self._ahead.exists(lengths, int(label))

    def sample(
        self,
        lengths: Int[np.ndarray, "B"],
        labels: Bool[np.ndarray, "B"] | Int[np.ndarray, "B"],
        rng: np.random.Generator,
    ) -> tuple[Int64[np.ndarray, "B T"], Int64[np.ndarray, "B T"]]:
        """A word of each length and label, as letter numbers, and the state after each of its prefixes; T is the
        greatest length. Behind the end of a word stands letter 0, and its state means nothing.

        Raises ValueError if no such word exists.
        """
        labels = labels.astype(np.int64)
        self._check(lengths, labels)
        if not (found := self._ahead.exists(lengths, labels)).all():
            missing = int(np.argmin(found))
            raise self._no_word(int(lengths[missing]), int(labels[missing]))
        longest = int(lengths.max(initial=0))
        chances = rng.random((longest, len(lengths)))
        code = self._walk.codes(labels, self.machine.start)
        if longest > self._ahead.size:
            return self._long(lengths, code, chances)
        shares = self._ahead.block(0, max(1, longest))
        letters, codes = self._walk.whole(shares, chances, code, lengths)
        return np.ascontiguousarray(letters.T), np.ascontiguousarray(self._walk.states(codes).T)

    def _long(
        self, lengths: Int[np.ndarray, "B"], code: Int64[np.ndarray, "B"], chances: Float[np.ndarray, "T B"]
    ) -> tuple[Int64[np.ndarray, "B T"], Int64[np.ndarray, "B T"]]:
        """Block by block: the words are walked side by side by their letters to go, the longest first, so that all need
        the same block at the same time."""
        longest, size = int(lengths.max()), self._ahead.size
        words = np.zeros((len(lengths), longest), dtype=np.int64)
        states = np.zeros_like(words)
        order = np.argsort(-lengths, kind="stable")
        code, lengths = code[order], lengths[order]
        for number in reversed(range(-(-longest // size))):
            steps = min(longest - number * size, size)
            to_go = np.arange(number * size + steps, number * size, -1)
            begun = np.searchsorted(-lengths, -to_go, side="right")
            # Of each word: the step at which it begins (or the first), and its letters from there to the block's end.
            stretches = [
                (
                    word,
                    max(0, int(to_go[0] - length)),
                    slice(max(0, int(length - to_go[0])), int(length - to_go[-1]) + 1),
                )
                for word, length in zip(order, lengths[: begun[-1]])
            ]
            luck = np.zeros((steps, len(stretches)))
            for column, (word, step, part) in enumerate(stretches):
                luck[step:, column] = chances[part, word]
            shares = self._ahead.block(number, steps)[:steps][::-1]
            letters, codes = self._walk.block(shares, luck, code[: begun[-1]], begun)
            after = self._walk.states(codes)
            for column, (word, step, part) in enumerate(stretches):
                words[word, part], states[word, part] = letters[step:, column], after[step:, column]
        return words, states

    def balanced(
        self, count: int, length: int, rng: np.random.Generator
    ) -> tuple[Int64[np.ndarray, "count length"], Int64[np.ndarray, "count"]]:
        """Words of one length in random order, equally many with each label that has any (if ``count`` cannot be
        divided, one more with some labels, drawn at random), and their labels."""
        every = np.arange(self.machine.num_labels)
        present = every[[bool(self.exists(np.array([length]), int(label))[0]) for label in every]]
        labels = rng.permutation(np.resize(rng.permutation(present), count))
        words, _ = self.sample(np.full(count, length), labels, rng)
        return words.reshape(count, length), labels

    def occupancy(self, length: int, label: bool | int) -> Float[np.ndarray, "T Q"]:
        """``[t − 1, q]``: probability that the prefix of length t of such a word leads to state q, T = length.

        Raises ValueError if no such word exists.
        """
        if not self.exists(np.array([length]), label)[0]:
            raise self._no_word(length, int(label))
        delta, size = self.machine.delta, self._ahead.size
        present = np.zeros(self.machine.num_states)
        present[self.machine.start] = 1.0
        shares = np.zeros((length, self.machine.num_states))
        for number in reversed(range(-(-length // size))):
            steps = min(length - number * size, size)
            up_to = self._ahead.block(number, steps)[:steps, int(label)]
            for to_go in range(steps, 0, -1):
                t = length - number * size - to_go
                letters = np.diff(up_to[to_go - 1], axis=1, prepend=0.0)
                np.add.at(shares[t], delta, present[:, None] * letters)
                present = shares[t]
        return shares

    def _check(self, lengths: Int[np.ndarray, "*n"], labels: Int64[np.ndarray, "*m"]) -> None:
        faults = []
        if lengths.size and lengths.min() < 0:
            faults.append(f"lengths must be at least 0, got {lengths.min()}")
        if lengths.size and lengths.max() > self.max_length:
            faults.append(f"lengths must be at most {self.max_length:,}, got {lengths.max():,}; raise max_length")
        most = self.machine.num_labels - 1
        if labels.size and (labels.min() < 0 or labels.max() > most):
            faults.append(f"labels must be 0 … {most}, got {labels.min()} … {labels.max()}")
        if faults:
            raise ValueError("; ".join(faults))

    def _no_word(self, length: int, label: int) -> ValueError:
        name = self.machine.names[label]
        said = f"is {name}ed" if self.machine.names == ("reject", "accept") else f"has the label {name!r}"
        which = f"of length {length:,}" if (self.machine.labels == label).any() else "of any length"
        return ValueError(f"no word {which} {said}")
