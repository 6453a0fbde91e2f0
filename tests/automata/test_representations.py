"""Real irreducible representations: homomorphisms, orthogonal to the last bit, irreducible, all of them."""

import numpy as np
import pytest

from lrnn.automata import Group
from lrnn.automata.representations import real_irreps

NAMES = """Z1 Z2 Z3 Z4 Z5 Z12 Z60 Z2xZ2xZ2 Z4xZ6 D3 D4 D5 D6 D12 S3 S4 S5 A4 A5
S3xS3 A4xZ5 S4xZ2 D4xZ3 A4xA4 A5xZ3 S5xZ2""".split()

# Q8, Dic3 and SL(2,3) have quaternionic representations; SL(2,3) permutes the nonzero vectors of F_3².
GENERATED = {
    "Q8": [[1, 2, 3, 0, 7, 4, 5, 6], [4, 5, 6, 7, 2, 3, 0, 1]],
    "Dic3": [[1, 2, 0, 5, 6, 3, 4], [1, 0, 2, 4, 5, 6, 3]],
    "SL(2,3)": [[3, 7, 2, 6, 1, 5, 0, 4], [0, 1, 3, 4, 2, 7, 5, 6]],
    "Z7:Z3": [[1, 2, 3, 4, 5, 6, 0], [0, 2, 4, 6, 1, 3, 5]],
}

every_group = pytest.mark.parametrize("name", [*NAMES, *GENERATED])


def made(name: str) -> Group:
    return Group.generated(GENERATED[name], name=name) if name in GENERATED else Group(name)


@every_group
def test_homomorphic_and_orthogonal(name):
    group = made(name)
    for rho in real_irreps(group):
        matrices, dimension = rho.matrices, rho.dimension
        assert matrices.shape == (group.order, dimension, dimension)
        assert np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(dimension)).max() < 2e-15
        for g in range(0, group.order, max(1, group.order // 30)):
            assert np.abs(matrices[g] @ matrices - matrices[group.table[g]]).max() < 5e-15


@every_group
def test_characters_ranks_and_kernels_are_those_of_the_matrices(name):
    """What is answered exactly from the character table is what the matrices say in floating point."""
    group = made(name)
    for rho in real_irreps(group):
        assert np.abs(np.trace(rho.matrices, axis1=1, axis2=2) - rho.character).max() < 1e-13
        ranks = np.linalg.matrix_rank(rho.matrices - np.eye(rho.dimension), tol=1e-8)
        assert (rho.fixed_rank == ranks).all()
        identity = np.abs(rho.matrices - np.eye(rho.dimension)).max((1, 2)) < 1e-8
        assert (rho.kernel == identity).all() and rho.faithful == (identity.sum() == 1)
        for g in range(0, group.order, max(1, group.order // 10)):
            order = int(group.orders[g])
            turns = np.rint(np.angle(np.linalg.eigvals(rho.matrices[g])) / (2 * np.pi) * order).astype(int) % order
            assert (rho.multiplicities(g) == np.bincount(turns, minlength=order)).all()


@every_group
def test_irreducible_and_different(name):
    """⟨χ, χ⟩ is 1, 2 or 4 by type, and characters of two irreps are orthogonal."""
    reps = real_irreps(made(name))
    characters = np.stack([rho.character for rho in reps])
    inner = characters @ characters.T / characters.shape[1]
    norms = {"real": 1, "complex": 2, "quaternionic": 4}
    assert np.abs(inner - np.diag([norms[rho.kind] for rho in reps])).max() < 1e-12


@every_group
def test_all_of_them(name):
    """Their matrix entries span the functions on the group, and real irreps number the classes of {g, g⁻¹}."""
    group = made(name)
    reps = real_irreps(group)
    norms = {"real": 1, "complex": 2, "quaternionic": 4}
    assert sum(rho.dimension**2 // norms[rho.kind] for rho in reps) == group.order
    classes = reps[0].table.classes
    pairs = {frozenset((int(c), int(d))) for c, d in zip(classes, classes[group.inverses])}
    assert len(reps) == len(pairs)
    assert (reps[0].matrices == 1).all()


def test_the_same_matrices_every_time():
    first, second = real_irreps(Group("A5")), real_irreps(Group("A5"))
    assert all((a.matrices == b.matrices).all() for a, b in zip(first, second))


def test_ranks_that_the_theory_of_state_tracking_rests_on():
    """Facts: S5's five-cycles have rank 4 in both standard representations, A5 and S4 turn three dimensions."""
    s5 = Group("S5")
    five = s5.orders == 5
    faithful = [rho for rho in real_irreps(s5) if rho.faithful]
    assert [rho.dimension for rho in faithful] == [4, 4, 5, 5, 6]
    assert all((rho.fixed_rank[five] == 4).all() for rho in faithful)
    standard = next(rho for rho in faithful if rho.fixed_rank[s5.element("(1 2)")] == 1)
    assert np.bincount(standard.fixed_rank).tolist() == [1, 10, 35, 50, 24]
    for name in ("A5", "S4"):
        group = made(name)
        rotations = [rho for rho in real_irreps(group) if rho.dimension == 3 and rho.fixed_rank.max() == 2]
        assert rotations and all((rho.fixed_rank[1:] == 2).all() and rho.faithful for rho in rotations)


def test_repr():
    assert repr(real_irreps(Group("S3"))[2]) == "Representation(Group('S3'), dimension=2, real, faithful)"
    assert repr(real_irreps(Group("S3"))[1]) == "Representation(Group('S3'), dimension=1, real)"


def test_every_kind():
    """SL(2,3): three characters of degree 1, one of degree 3; of degree 2 a quaternionic one and a complex pair."""
    found = [(rho.dimension, rho.kind) for rho in real_irreps(made("SL(2,3)"))]
    assert sorted(found) == [(1, "real"), (2, "complex"), (3, "real"), (4, "complex"), (4, "quaternionic")]
