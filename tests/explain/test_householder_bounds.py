"""Constructions from above and theorems from below, each against a calculation that does not share its code."""

import itertools

import numpy as np
import pytest

from lrnn.automata import DFA, Group, Machine, generators
from lrnn.explain import householder_realization
from lrnn.explain.heads import heads
from lrnn.explain.householder_bounds import householder_bounds
from lrnn.explain.identities import against_commuting_projections
from lrnn.explain.parts import identified, permutation_reset
from lrnn.explain.subject import Subject, asked


def subject_of(delta) -> Subject:
    num_states, num_letters = np.shape(delta)
    machine = Machine(
        alphabet="abc"[:num_letters],
        delta=delta,
        start=0,
        labels=range(num_states),
        names=tuple(map(str, range(num_states))),
    )
    return Subject.of(machine, "all", 10_000, 10.0)


def test_partial_permutations_take_rank_many_factors():
    """n_h is the rank of A − 1, where A is the matrix on the states but the sink."""
    rng = np.random.default_rng(0)
    seen = 0
    while seen < 50:
        n = int(rng.integers(3, 7))
        columns = [np.where(rng.random(n) < 0.4, n - 1, rng.permutation(n)) for _ in range(2)]
        delta = np.stack(columns, axis=1)
        delta[n - 1] = n - 1
        live = delta[:-1]
        injective = all(len(set(kept)) == len(kept) for kept in ([q for q in c if q < n - 1] for c in live.T.tolist()))
        if (
            not injective
            or (delta == np.arange(n)[:, None]).all(0).any()
            or len(DFA.trimmed("ab", delta, 0, []).delta) < n
        ):
            continue
        subject = subject_of(delta)
        if subject.resets.any() or subject.machine.num_states < n:
            continue
        seen += 1
        delta = subject.machine.delta
        sink = int(np.flatnonzero((delta == np.arange(n)[:, None]).all(1))[0])
        inside = np.delete(np.arange(n), sink)
        ranks = []
        for a in range(2):
            matrix = (delta[inside, a] == inside[:, None]).astype(float)
            assert np.linalg.norm(matrix, 2) <= 1
            ranks.append(np.linalg.matrix_rank(matrix - np.eye(n - 1)))
        made = [one for one in householder_bounds(subject).constructions if one.theorem.name == "partial permutations"]
        assert [one.num_householders for one in made] == [max(ranks)]


@pytest.mark.parametrize("name", ["Z4", "S3", "D4", "Z2xZ4", "A4", "S4", "S3xZ3", "A5", "S3xS3"])
@pytest.mark.parametrize("letters", ["all", "two-random"])
def test_several_heads_need_no_more_factors_than_one(name, letters):
    group = Group(name)
    elements = generators(group, letters)
    many, one = heads(group, elements), householder_realization(group, elements)
    assert many is not None
    assert many.num_householders <= one.num_householders
    bounds = householder_bounds(Subject.of(group, letters, 1000, 10.0))
    assert bounds.upper is not None
    assert bounds.lower <= bounds.upper <= many.num_householders


def test_heads_of_a_product_do_not_add_up():
    """Swaps of both factors at once: one reflection in each of two heads."""
    group = Group("S3xS3")
    swaps = [group.element(f"{g},{h}") for g, h in itertools.product(("(1 2)", "(2 3)"), repeat=2)]
    made = heads(group, np.array(swaps))
    assert made is not None and made.num_householders == 1
    assert made.degrees == (2, 2)


def test_idempotents_against_all_products():
    """e·f·e = f·e, tried on every pair of maps that words make."""
    rng = np.random.default_rng(1)
    outcomes = set()
    for _ in range(150):
        n = int(rng.integers(2, 5))
        delta = rng.integers(0, n, (n, 2))
        if (rng.random() < 0.5) and n > 2:
            delta[:, 0] = rng.integers(0, n)
        delta = DFA.trimmed("ab", delta, 0, []).delta
        maps, front = {tuple(range(len(delta)))}, [tuple(range(len(delta)))]
        while front:
            word = front.pop()
            for a in range(2):
                longer = tuple(int(delta[q, a]) for q in word)
                if longer not in maps:
                    maps.add(longer)
                    front.append(longer)
        idempotents = [e for e in maps if all(e[e[q]] == e[q] for q in range(len(e)))]
        holds = all(e[f[e[q]]] == e[f[q]] for e in idempotents for f in idempotents for q in range(len(e)))
        subject = subject_of(delta)
        if subject.machine.num_states < len(delta):
            continue  # the start is not asked, so it may be merged
        assert (against_commuting_projections(subject) is None) == holds
        outcomes.add(holds)
    assert outcomes == {True, False}


def test_quotients_against_all_partitions():
    """The finest quotient is finer than every partition with the same property."""
    rng = np.random.default_rng(2)
    for _ in range(60):
        n = int(rng.integers(2, 6))
        delta = rng.integers(0, n, (n, 2))
        permute = rng.random(2) < 0.5
        finest = permutation_reset(delta, permute)
        good = [p for p in partitions(n) if respects(delta, p) and as_wished(delta, p, permute)]
        assert any(same(finest, p) for p in good)
        assert all((p[q] == p[r]) or finest[q] != finest[r] for p in good for q in range(n) for r in range(n))
        pair = rng.integers(0, n, (1, 2))
        joined = identified(delta, pair)
        good = [p for p in partitions(n) if respects(delta, p) and p[pair[0, 0]] == p[pair[0, 1]]]
        assert any(same(joined, p) for p in good)
        assert all((p[q] == p[r]) or joined[q] != joined[r] for p in good for q in range(n) for r in range(n))


def partitions(n: int):
    return [np.array(p) for p in itertools.product(range(n), repeat=n)]


def same(one, other) -> bool:
    return bool(((one[:, None] == one) == (other[:, None] == other)).all())


def respects(delta, p) -> bool:
    return all(
        p[delta[q, a]] == p[delta[r, a]]
        for q, r in itertools.combinations(range(len(p)), 2)
        if p[q] == p[r]
        for a in range(delta.shape[1])
    )


def as_wished(delta, p, permute) -> bool:
    for a, wanted in enumerate(permute):
        images = {int(p[q]): int(p[delta[q, a]]) for q in range(len(p))}
        if wanted and len(set(images.values())) < len(images):
            return False
        if not wanted and len(set(images.values())) > 1:
            return False
    return True


@pytest.mark.parametrize(
    ("pattern", "states"), [("(a|b)+", 1), ("(aa|b)+", 3), ("(aa|b)*", 3), ("b(a|b)*", 3), ("b*a", 3)]
)
def test_machines_that_are_not_asked_before_the_first_letter(pattern, states):
    machine = Machine.of(DFA.from_regex(pattern, "ab"))
    small = asked(machine)
    words = np.array(list(itertools.product(range(2), repeat=7)))
    assert (small.run(words) == machine.run(words)).all()
    assert small.num_states == states
