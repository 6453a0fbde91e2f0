"""decompose: the cascade does what the machine does, and its levels are those that SgpDec finds."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from lrnn.automata import DFA, Cascade, Group, Machine, decompose, generators, transition_monoid
from lrnn.automata.run import reachable

ORACLE = json.loads((Path(__file__).parent / "holonomy_oracle.json").read_text())


def machine_of(delta: np.ndarray, labels: np.ndarray | None = None) -> Machine:
    labels = np.arange(len(delta)) if labels is None else labels
    names = [str(label) for label in range(len(delta))]
    return Machine(alphabet="abcdef"[: delta.shape[1]], delta=delta, start=0, labels=labels, names=names)


def random_machine(seed: int) -> Machine:
    """2 to 8 states, 2 or 3 letters; some letters permute, some reset."""
    rng = np.random.default_rng(seed)
    num_states, num_letters = int(rng.integers(2, 9)), int(rng.integers(2, 4))
    while True:
        delta = rng.integers(0, num_states, (num_states, num_letters))
        for letter in range(num_letters):
            if rng.random() < 0.4:
                delta[:, letter] = rng.permutation(num_states)
            elif rng.random() < 0.2:
                delta[:, letter] = rng.integers(num_states)
        if reachable(delta, 0).all():
            return machine_of(delta, None if seed % 2 else rng.integers(0, 2, num_states))


def walked(cascade: Cascade, word: list[int]) -> list[int]:
    """What the last level gives after each letter, by the definition."""
    coordinates, found = list(cascade.start), []
    for letter in word:
        context = letter
        for number, level in enumerate(cascade.levels):
            before = coordinates[number]
            coordinates[number] = int(level.actions[level.action_of[context], before])
            context = int(level.next_context[context, before])
            assert context >= 0, "a context and a coordinate met that cannot meet"
        found.append(context)
    return found


def same_group(found: Group, name: str) -> bool:
    """Element orders tell apart all groups that occur in the oracle's results."""
    name = re.sub(r"^1$", "C1", name)
    name = re.sub(r"D(\d+)", lambda m: f"D{int(m[1]) // 2}", name)  # GAP's D8 has 8 elements, ours 16
    wanted = Group(name.replace(" ", "").replace("C", "Z"))
    return sorted(found.orders) == sorted(wanted.orders) and found.abelian == wanted.abelian


def test_the_oracle_is_large_enough():
    assert "SgpDec" in ORACLE["made_by"]
    assert len(ORACLE["machines"]) >= 30
    assert sum(machine["name"].startswith("random") for machine in ORACLE["machines"]) >= 20


@pytest.mark.parametrize("case", ORACLE["machines"], ids=lambda case: case["name"])
def test_levels_and_groups_are_those_of_sgpdec(case):
    cascade = decompose(machine_of(np.array(case["letters"]).T), minimize=False)
    assert len(cascade.levels) == len(case["levels"])
    for level, wanted in zip(cascade.levels, case["levels"]):
        left = [(len(component.points), component.group) for component in level.components]
        for tiles, order, name in wanted:
            alike = [i for i, (n, group) in enumerate(left) if n == tiles and same_group(group, name)]
            assert alike, f"no {name} on {tiles} tiles among {left}"
            assert left.pop(alike[0])[1].order == order
        assert not left


@pytest.mark.parametrize("seed", range(80))
def test_the_cascade_does_what_the_machine_does(seed):
    machine = random_machine(seed).minimal
    words = np.random.default_rng(seed).integers(0, len(machine.alphabet), (20, 120))
    states, labels = machine.states(words), machine.run(words)
    for minimize in (False, True):
        cascade = decompose(machine, minimize=minimize)
        assert (cascade.run(words) == states).all()
        assert walked(cascade, words[0].tolist()) == states[0].tolist()
        assert cascade.levels[0].num_contexts == len(machine.alphabet)
        cascade = decompose(machine, minimize=minimize, outputs="labels")
        assert (cascade.run(words) == labels).all()
        assert walked(cascade, words[1].tolist()) == labels[1].tolist()


@pytest.mark.parametrize("seed", range(80))
def test_coordinates_of_the_full_cascade_map_back(seed):
    machine = random_machine(seed).minimal
    full = decompose(machine, minimize=False)
    words = np.random.default_rng(seed).integers(0, len(machine.alphabet), (20, 60))
    coordinates = full.coordinates(words)
    assert coordinates.shape == (20, 60, len(full.levels))
    assert (full.state_of(coordinates) == machine.states(words)).all()
    assert full.state_of(np.array(full.start)) == machine.start


@pytest.mark.parametrize("seed", range(80))
def test_minimizing_makes_no_level_larger(seed):
    machine = random_machine(seed)
    full, small = decompose(machine, minimize=False), decompose(machine)
    labels = decompose(machine, outputs="labels")
    assert labels.num_pairs <= small.num_pairs <= full.num_pairs
    assert len(labels.levels) <= len(small.levels) <= len(full.levels)
    groups = [k.group.order for level in full.levels for k in level.components if len(k.points) < 8]
    for level in small.levels:
        assert level.num_states > 1 or len(small.levels) == 1
        assert sorted(point for component in level.components for point in component.points) == list(
            range(level.num_states)
        )
        for component in (component for component in level.components if len(component.points) < 8):
            assert any(order % component.group.order == 0 for order in groups)


@pytest.mark.parametrize("seed", range(80))
def test_components_have_what_the_actions_do(seed):
    machine = random_machine(seed)
    for level in (*decompose(machine).levels, *decompose(machine, minimize=False).levels):
        permuting = level.actions[(np.sort(level.actions, axis=1) == np.arange(level.num_states)).all(1)]
        for component in level.components:
            points = np.array(component.points)
            parts = np.unique(permuting[:, points], axis=0)
            assert (np.sort(parts, axis=1) == points).all()
            if component.is_trivial:
                assert (parts == points).all()
            elif len(points) < 8:
                group = set(map(tuple, component.group.permutations.tolist()))
                assert all(tuple(row) in group for row in np.searchsorted(points, parts).tolist())


@pytest.mark.parametrize("seed", range(80))
def test_aperiodic_machines_have_no_groups(seed):
    rng = np.random.default_rng(seed)
    num_states = int(rng.integers(2, 6))
    delta = rng.integers(0, num_states, (num_states, 2))
    if seed % 2:  # maps that keep the order of the states never permute
        delta = np.sort(delta, axis=0)
    machine = Machine.of(DFA.trimmed("ab", delta, 0, [0])).minimal
    aperiodic = transition_monoid(machine).is_aperiodic
    assert aperiodic or not seed % 2
    assert decompose(machine).is_aperiodic == aperiodic
    assert decompose(machine, minimize=False).is_aperiodic == aperiodic


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_all_maps_of_n_points(n):
    points = np.arange(n)
    letters = [(points + 1) % n, np.array([1, 0, *points[2:]]), np.array([0, 0, *points[2:]])]
    cascade = decompose(machine_of(np.stack(letters, axis=1)), minimize=False)
    sizes = [[(len(k.points), k.group.order) for k in level.components] for level in cascade.levels]
    assert sizes == [[(m, int(np.prod(range(1, m + 1))))] for m in range(n, 1, -1)]


@pytest.mark.parametrize("name", ["Z2", "Z7", "S3", "D4", "A4", "S4", "Z2xZ4"])
def test_a_group_is_one_level(name):
    group = Group(name)
    machine = Machine.of_group(group, generators(group, "all"))
    cascade = decompose(machine)
    (level,) = cascade.levels
    (component,) = level.components
    assert level.num_states == group.order
    assert same_group(component.group, name.replace("Z", "C").replace("xC", " x C").replace("D4", "D8"))
    words = np.random.default_rng(0).integers(0, group.order, (5, 200))
    assert (cascade.run(words) == group.products(words)).all()


def test_a_flip_flop_is_one_level_of_resets():
    (level,) = decompose(machine_of(np.array([[0, 0, 1], [1, 0, 1]]))).levels
    assert level.is_reset
    assert sorted(level.actions.tolist()) == [[0, 0], [0, 1], [1, 1]]


def test_a_counter_that_saturates_is_a_chain_of_resets():
    delta = np.array([[min(q + 1, 9), max(q - 1, 0)] for q in range(10)])
    cascade = decompose(machine_of(delta), minimize=False)
    assert [level.num_states for level in cascade.levels] == [2] * 9
    assert cascade.is_aperiodic


def test_what_only_the_last_letter_decides_needs_no_memory():
    cascade = decompose(DFA.from_regex("(a|b)*a"))
    (level,) = cascade.levels
    assert level.num_states == 1
    assert cascade.run(np.array([[0, 1, 0]])).tolist() == [[1, 0, 1]]


def test_a_machine_of_one_state():
    for minimize in (False, True):
        cascade = decompose(DFA.from_regex("(a|b)*"), minimize=minimize)
        assert len(cascade.levels) == 1
        assert cascade.run(np.array([[0, 1, 1]])).tolist() == [[0, 0, 0]]
        labels = decompose(DFA.from_regex("(a|b)*"), minimize=minimize, outputs="labels")
        assert labels.run(np.array([[0, 1, 1]])).tolist() == [[1, 1, 1]]


def test_words_of_no_letters():
    cascade = decompose(DFA.from_regex("(aa)*b"))
    assert cascade.run(np.zeros((3, 0), dtype=int)).shape == (3, 0)
    assert cascade.coordinates(np.zeros((3, 0), dtype=int)).shape == (3, 0, 2)


def test_caps_are_named():
    delta = random_machine(3).minimal
    with pytest.raises(ValueError, match=r"more than 3 sets .* raise max_sets"):
        decompose(delta, max_sets=3)
    with pytest.raises(ValueError, match="level 2 has more than 2 contexts; raise max_contexts"):
        decompose(delta, max_contexts=2)


@pytest.mark.no_shape_checks
def test_outputs_are_states_or_labels():
    with pytest.raises(ValueError, match="outputs must be 'states' or 'labels', got 'verdicts'"):
        decompose(DFA.from_regex("a*"), outputs="verdicts")  # pyright: ignore[reportArgumentType]
