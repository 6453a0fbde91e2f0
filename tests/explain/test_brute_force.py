"""One-layer verdicts against explicit universal machines, in code that shares nothing with the theorems."""

import itertools

import numpy as np
import pytest

from lrnn.automata import Machine
from lrnn.explain import explain

pytestmark = pytest.mark.no_shape_checks  # thousands of small calls

DIAGONALS = {"diagonal, [0, 1]": 1, "diagonal, [-1, 1]": 2, "complex diagonal": 12}
"""What a diagonal layer counts modulo; 12 is enough for up to four states."""


def decides(start, step, machine: Machine) -> bool:
    """Is the label after every letter a function of the state of another machine and of the letter?"""
    labels = {}
    front = [(start, machine.start)]
    reached = set(front)
    while front:
        other, q = front.pop()
        for a in range(len(machine.alphabet)):
            pair = step(other, a), int(machine.delta[q, a])
            label = machine.labels[pair[1]]
            if labels.setdefault((pair[0], a), label) != label:
                return False
            if pair not in reached:
                reached.add(pair)
                front.append(pair)
    return True


def diagonal_decides(m: int, machine: Machine) -> bool:
    """The universal diagonal layer: for every set R of letters the last of R, and counts mod m of the others since."""
    k = len(machine.alphabet)
    sets = [frozenset(R) for size in range(k + 1) for R in itertools.combinations(range(k), size)]

    def step(state, a):
        return tuple(
            (a, (0,) * k) if a in R else (last, tuple((count + (b == a)) % m for b, count in enumerate(counts)))
            for R, (last, counts) in zip(sets, state)
        )

    return decides(tuple((-1, (0,) * k) for _ in sets), step, machine)


def counting_decides(m: int, machine: Machine) -> bool:
    """The counts of all letters mod m: what a diagonal layer knows before any reset."""

    def step(counts, a):
        return tuple((count + (b == a)) % m for b, count in enumerate(counts))

    return decides((0,) * len(machine.alphabet), step, machine)


def reflections(*roots) -> np.ndarray:
    """The group that the reflections at some vectors generate is finite; all its reflections."""
    first = [np.eye(len(root)) - 2 * np.outer(root, root) / np.dot(root, root) for root in np.array(roots, dtype=float)]
    found = {key(matrix): matrix for matrix in first}
    front = list(first)
    while front:
        images = [s @ t @ s for s in first for t in front]
        front = [found.setdefault(key(image), image) for image in images if key(image) not in found]
    return np.stack(list(found.values()))


def key(matrix) -> tuple:
    return tuple((matrix.round(6) + 0.0).ravel().tolist())


GOLDEN = (1 + 5**0.5) / 2
REFLECTION_GROUPS = [
    reflections([1, 0, 0], [0, 1, 0], [0, 0, 1]),
    *(reflections([0, 0, 1], [0, 1, 0], [np.sin(np.pi / m), np.cos(np.pi / m), 0]) for m in (3, 4, 5, 6)),
    reflections([1, -1, 0], [0, 1, -1], [0, 1, 1]),
    reflections([1, -1, 0], [0, 1, -1], [0, 0, 1]),
    reflections([1, 0, 0], [0, 1, 0], [GOLDEN, 1, GOLDEN - 1]),
]
"""The line's cube, planes with a line, tetrahedron, cube and icosahedron: three reflections span at most these."""


def one_reflection_decides(machine: Machine) -> bool:
    """Is there a reflection or the identity for every letter so that their product knows the state?"""
    k = len(machine.alphabet)
    idle = np.arange(machine.num_states)[:, None]
    if (machine.delta[machine.delta, np.arange(k)] != idle).any():
        return False  # a reflection twice changes nothing
    still = (machine.delta == idle).all(0)
    for group in REFLECTION_GROUPS:
        numbers, matrices = {}, []

        def number(matrix, numbers=numbers, matrices=matrices):
            if key(matrix) not in numbers:
                numbers[key(matrix)] = len(matrices)
                matrices.append(matrix)
            return numbers[key(matrix)]

        options = [[np.eye(3)] if kept else list(group) for kept in still]
        for letters in itertools.product(*options):
            cache = {}

            def step(state, a, letters=letters, cache=cache, number=number, matrices=matrices):
                if (state, a) not in cache:
                    cache[state, a] = number(letters[a] @ matrices[state])
                return cache[state, a]

            if decides(number(np.eye(3)), step, machine):
                return True
    return False


def diagonals_of_the_cube() -> dict[tuple[int, ...], np.ndarray]:
    """Permutations of four things as rotations of space: those of a cube permute its four diagonals."""
    corners = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])
    found = {}
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.eye(3)[list(order)] * signs
            if np.linalg.det(matrix) > 0:
                images = corners @ matrix.T
                row = tuple(int(np.flatnonzero(abs(corners @ image) == 3)[0]) for image in images)
                found[row] = matrix
    return found


ROTATIONS = diagonals_of_the_cube()


def two_reflections_decide(machine: Machine) -> bool:
    """Up to four states: the rotations of a cube that permute its diagonals as the letters do the states."""
    rows = [tuple(machine.delta[:, a].tolist()) for a in range(len(machine.alphabet))]
    letters = [ROTATIONS[row + tuple(range(len(row), 4))] for row in rows]
    if max(np.linalg.matrix_rank(matrix - np.eye(3)) for matrix in letters) > 2:
        return False
    known = {}

    def step(state, a):
        product = letters[a] @ np.array(state).reshape(3, 3)
        return known.setdefault(key(product), key(product))

    return decides(key(np.eye(3)), step, machine)


def permutation_automata(num_states: int, k: int) -> list[Machine]:
    """One for each way in which k letters permute the states, up to their names, with a label on each state."""
    rows = list(itertools.permutations(range(num_states)))
    found = {}
    for letters in itertools.combinations_with_replacement(rows, k):  # the order of the letters changes nothing
        if min(relabeled(letters, order) for order in rows) == letters and reaches_all(letters):
            found[letters] = Machine(
                alphabet="abc"[:k],
                delta=np.array(letters).T,
                start=0,
                labels=np.arange(num_states),
                names=[f"{q}" for q in range(num_states)],
            )
    return list(found.values())


def relabeled(letters, order):
    inverse = np.argsort(order)
    return tuple(sorted(tuple(int(order[letter[inverse[q]]]) for q in range(len(order))) for letter in letters))


def reaches_all(letters) -> bool:
    reached, front = {0}, [0]
    while front:
        q = front.pop()
        for letter in letters:
            if letter[q] not in reached:
                reached.add(letter[q])
                front.append(letter[q])
    return len(reached) == len(letters[0])


@pytest.mark.parametrize(("num_states", "k"), [(n, k) for k in (2, 3) for n in (1, 2, 3, 4)])
def test_permutation_automata(num_states, k):
    """Diagonals and Householder products of one, two and more factors: every verdict is decided, and right."""
    for machine in permutation_automata(num_states, k):
        explanation = explain(machine)
        one = {verdict.structure: verdict.one_layer for verdict in explanation.verdicts}
        about = machine.delta.tolist(), one
        for structure, m in DIAGONALS.items():
            assert one[structure].verdict != "open", about
            assert one[structure].is_yes == counting_decides(m, machine), about
        assert one["Householder n_h = 1, [0, 1]"].is_yes == counting_decides(1, machine), about
        single = one["Householder n_h = 1, [-1, 1]"]
        assert single.verdict != "open" and single.is_yes == one_reflection_decides(machine), about
        assert one["Householder n_h = 2, [-1, 1]"].is_yes and two_reflections_decide(machine), about


def small_languages() -> list[Machine]:
    """Every language of two letters with at most three states, up to its complement and to names of the letters."""
    found, skipped = {}, set()
    for num_states in (1, 2, 3):
        for cells in itertools.product(range(num_states), repeat=2 * num_states):
            delta = np.array(cells).reshape(num_states, 2)
            if not reaches_all(tuple(map(tuple, delta.T.tolist()))):
                continue
            for accepted in range(2**num_states):
                labels = [accepted >> q & 1 for q in range(num_states)]
                small = Machine(alphabet="ab", delta=delta, start=0, labels=labels, names=("no", "yes")).minimal
                if identity_of(small) not in skipped:
                    found[identity_of(small)] = small
                    skipped |= {identity_of(twin) for twin in twins(small)} - {identity_of(small)}
    return list(found.values())


def identity_of(machine: Machine) -> tuple[bytes, bytes]:
    return machine.delta.tobytes(), machine.labels.tobytes()


def twins(machine: Machine) -> list[Machine]:
    return [
        Machine(alphabet="ab", delta=machine.delta[:, order], start=0, labels=labels, names=("no", "yes")).minimal
        for order in ([0, 1], [1, 0])
        for labels in (machine.labels, 1 - machine.labels)
    ]


def test_small_languages_of_diagonal_layers():
    """Theorem 1 against the universal diagonal layer, which is asked after every letter, not before the first."""
    for machine in small_languages():
        explanation = explain(machine)
        for structure, m in DIAGONALS.items():
            one = explanation.verdict(structure).one_layer
            assert one.verdict != "open"
            assert one.is_yes == diagonal_decides(m, machine), (machine.delta.tolist(), machine.labels.tolist(), one)
