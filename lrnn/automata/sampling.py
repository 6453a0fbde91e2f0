"""Words of a given length and verdict: how many there are, and one of them at random.

Shapes: B words · L longest length · T letters of the widest word · Q states · A letters of the alphabet.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from lrnn.automata.dfa import DFA

MAX_CELLS = 2**27
"""Cap on the entries of a sampler's table: 1 GB."""


def count_words(dfa: DFA, length: int, accepted: bool = True) -> int:
    """Exact number of words of that length that are accepted, or rejected.

    Raises ValueError if the length is negative.

    >>> [count_words(DFA.from_regex("(ab|ba)*"), length) for length in range(5)]
    [1, 0, 2, 0, 4]
    """
    if length < 0:
        raise ValueError(f"length must be at least 0, got {length}")
    ways = (dfa.accepts_in == accepted).astype(int).astype(object)  # Python's integers do not overflow
    for _ in range(length):
        ways = ways[dfa.delta].sum(1)
    return int(ways[dfa.start])


class WordSampler:
    """Uniformly random words of any length and either verdict.

    From state q with r letters to go, letter a is drawn with probability N_{r−1}(delta[q, a]) / N_r(q), where N_r(q)
    counts the words of length r that lead from q to an accepting state (or to a rejecting one): that is uniform over
    all such words. The counts are kept as logarithms, so that none is too large or too small; the table of
    probabilities grows with the longest word that was asked for, and is kept.

    Every method raises ValueError for a negative length, or one for which the table of 2 · length · Q · A numbers would
    exceed 2²⁷.

    >>> sampler = WordSampler(DFA.from_regex("a*b*"))
    >>> words, states = sampler.sample(np.array([8, 3]), np.array([True, True]), np.random.default_rng(0))
    >>> words.shape, bool((np.diff(words[0]) >= 0).all())
    ((2, 8), True)
    """

    def __init__(self, dfa: DFA) -> None:
        self.dfa = dfa
        self._fill(0)

    def _fill(self, longest: int) -> None:
        num_states, num_letters = self.dfa.delta.shape
        self._longest = longest
        verdicts = np.stack([~self.dfa.accepts_in, self.dfa.accepts_in])
        with np.errstate(divide="ignore"):
            log_ways = np.log(verdicts.astype(np.float64))
        # Logarithm of the number of rejected and accepted words of each length.
        self._log_count = np.empty((2, longest + 1))
        self._log_count[:, 0] = log_ways[:, self.dfa.start]
        # For each verdict, letters to go and state: up to which random number in [0, 1) letter 0, 1, … is drawn.
        self._up_to = np.full((2, longest + 1, num_states, num_letters), 2.0)
        for length in range(1, longest + 1):
            log_ways, self._up_to[:, length] = _totals(log_ways[:, self.dfa.delta])
            self._log_count[:, length] = log_ways[:, self.dfa.start]

    def _reach(self, lengths: Int[np.ndarray, "*n"]) -> None:
        """See to it that the table holds these lengths."""
        if not lengths.size:
            return
        if lengths.min() < 0:
            raise ValueError(f"lengths must be at least 0, got {lengths.min()}")
        cap = MAX_CELLS // (2 * self.dfa.delta.size)
        if (longest := int(lengths.max())) > cap:
            raise ValueError(
                f"lengths must be at most {cap} for an automaton with a table {self.dfa.delta.shape}, got {longest}"
            )
        if longest > self._longest:
            self._fill(min(max(longest, 2 * self._longest), cap))

    def exists(self, lengths: Int[np.ndarray, "*n"], accepted: bool) -> Bool[np.ndarray, "*n"]:
        """Is there an accepted (a rejected) word of each of these lengths?"""
        self._reach(lengths)
        return self._log_count[int(accepted), lengths] > -np.inf

    def sample(
        self, lengths: Int[np.ndarray, "B"], accepted: Bool[np.ndarray, "B"], rng: np.random.Generator
    ) -> tuple[Int64[np.ndarray, "B T"], Int64[np.ndarray, "B T"]]:
        """A word of each length and verdict, as letter numbers, and the state after each of its prefixes; T is the
        greatest length. Behind the end of a word stands letter 0, and its state means nothing.

        Raises ValueError if no such word exists.
        """
        self._reach(lengths)
        verdict = accepted.astype(np.int64)
        if (none := self._log_count[verdict, lengths] == -np.inf).any():
            word = "accepted" if accepted[none][0] else "rejected"
            raise ValueError(f"no word of length {lengths[none][0]} is {word}")
        num_states, num_letters = self.dfa.delta.shape
        width, row = int(lengths.max(initial=0)), num_states * num_letters
        words = np.empty((width, len(lengths)), dtype=np.int64)
        states = np.empty_like(words)
        chances = rng.random((width, len(lengths)))
        up_to, delta = self._up_to.reshape(-1), (self.dfa.delta * num_letters).reshape(-1)
        # Two offsets into up_to make an entry: of the verdict and the letters to go (none: letter 0 for sure), and of
        # the state, which counts in steps of num_letters here.
        stop = verdict * (self._longest + 1) * row
        to_go = stop + lengths * row
        state = np.full(len(lengths), self.dfa.start * num_letters)
        for letters, after, chance in zip(words, states, chances):
            entry = to_go + state
            letters[:] = chance >= up_to.take(entry)
            for letter in range(1, num_letters - 1):
                letters += chance >= up_to.take(entry + letter)
            state = delta.take(state + letters, out=after, mode="clip")
            to_go = np.maximum(to_go - row, stop)
        states //= num_letters
        return np.ascontiguousarray(words.T), np.ascontiguousarray(states.T)

    def occupancy(self, length: int, accepted: bool) -> Float[np.ndarray, "T Q"]:
        """``[t − 1, q]``: probability that the prefix of length t of such a word leads to state q, T = length.

        Raises ValueError if no such word exists.
        """
        if not self.exists(np.array([length]), accepted)[0]:
            raise ValueError(f"no word of length {length} is {'accepted' if accepted else 'rejected'}")
        present = np.zeros(self.dfa.num_states)
        present[self.dfa.start] = 1.0
        shares = np.zeros((length, self.dfa.num_states))
        for t in range(length):
            letters = np.diff(self._up_to[int(accepted), length - t], axis=1, prepend=0.0)
            np.add.at(shares[t], self.dfa.delta, present[:, None] * letters)
            present = shares[t]
        return shares


def _totals(choices: Float[np.ndarray, "2 Q A"]) -> tuple[Float[np.ndarray, "2 Q"], Float[np.ndarray, "2 Q A"]]:
    """From the logarithms of the number of ways behind each letter: that of their sum, and the cumulative shares."""
    top = choices.max(-1, keepdims=True)
    scaled = np.exp(choices - np.where(np.isfinite(top), top, 0))
    ways = scaled.cumsum(-1)
    total = ways[..., -1:]
    with np.errstate(divide="ignore"):
        log_total = np.log(total[..., 0]) + top[..., 0]
    # Behind the last letter that leads anywhere the share is exactly 1, which no random number in [0, 1) reaches.
    return log_total, ways / np.where(total > 0, total, 1)
