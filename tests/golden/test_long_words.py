"""Constructions of the field, each on a random word of 100,000 letters in float32 without one error.

How rounding is kept out. Where the letters are integer matrices (parity, permutations, the cube) every product and sum
is a small integer, which float32 holds exactly: the states must be equal to the last bit. Where they are not, the word
is read in pieces of 1,000 letters and the state handed on is made orthogonal again (polar factor), which removes all
decay and growth. What remains is a slow turning through the rounding of the letters themselves, and that is measured:
it must stay below `drift` and below half of where decoding would err. Decoding is the nearest of the group's states, at
every letter, and knows nothing of the position.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lrnn import Chunked, Householder, Scalar, Sequential, recurrence
from tests.golden.representations import (
    cube,
    cyclic,
    icosahedron,
    permutation_matrices,
    reflections,
    standard,
    table,
    triangle,
)

LENGTH, PIECE = 100_000, 1_000


def drift(R: int) -> float:
    """A reflector rounded to float32 is turned by at most half an ulp, and so turns the state by one ulp."""
    return LENGTH * R * torch.finfo(torch.float32).eps


def letters(elements, R: int, exact: bool) -> tuple[Tensor, Tensor]:
    """k ``[G, R, K]`` and β ``[G, R]`` in float32, one row per group element, filled up with β = 0."""
    K = len(elements[0])
    k, beta = np.zeros((len(elements), R, K)), np.zeros((len(elements), R))
    for g, M in enumerate(elements):
        for r, v in enumerate(reflections(M)):
            k[g, r] = v if exact else v / np.linalg.norm(v)
            beta[g, r] = 2 / (v @ v) if exact else 2.0
    return torch.tensor(k, dtype=torch.float32), torch.tensor(beta, dtype=torch.float32)


def prefix_products(multiplication, word) -> np.ndarray:
    """x_t · … · x_1 by table: the newest letter stands on the left."""
    found, product = np.empty(len(word), dtype=np.int64), None
    for t, x in enumerate(word):
        product = x if product is None else multiplication[x, product]
        found[t] = product
    return found


def spread(elements, tries: int = 300) -> tuple[np.ndarray, float]:
    """A read key whose images under the group are as far from each other as can be found, and their distance."""
    rng, matrices = np.random.default_rng(0), np.stack(elements)

    def nearest(q):
        images = matrices.transpose(0, 2, 1) @ q
        distance = np.linalg.norm(images[:, None] - images[None], axis=-1)
        return distance[~np.eye(len(images), dtype=bool)].min()

    keys = rng.standard_normal((tries, len(elements[0])))
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    best = max(keys, key=nearest)
    return best, nearest(best)


def track(k: Tensor, beta: Tensor, q: Tensor, normalize: bool) -> Tensor:
    """y_t = S_tᵀ q from S_0 = I, without writes, piece by piece; B words, ``k [B, T, R, K]`` to ``[B, T, K]``."""
    B, T, R, K = k.shape
    state, ys = torch.eye(K).expand(B, 1, K, K), []
    for first in range(0, T, PIECE):
        piece = slice(first, first + PIECE)
        A = Householder(k=k[:, piece, None], beta=beta[:, piece, None], normalize=normalize)
        quiet = torch.zeros(B, PIECE, 1, R, K)
        y, state = recurrence(A, A.k, quiet, q[:, None, None].expand(B, PIECE, 1, K), state=state)
        ys.append(y[:, :, 0])
        if normalize:
            left, _, right = torch.linalg.svd(state)
            state = left @ right
    return torch.cat(ys, dim=1)


EXACT = {
    "S3 permuting 3": (permutation_matrices(3), 2),
    "S4 turning a cube": (cube(), 2),
    "S4 permuting 4": (permutation_matrices(4), 3),
    "S5 permuting 5": (permutation_matrices(5), 4),
    "Z5 permuting 5": ([np.eye(5)[:, np.roll(range(5), -r)] for r in range(5)], 4),
}


@pytest.mark.parametrize("name", EXACT)
def test_integers_to_the_last_bit(name):
    elements, R = EXACT[name]
    rng = np.random.default_rng(1)
    word = rng.integers(len(elements), size=LENGTH)
    product = prefix_products(table(elements), word)
    K = len(elements[0])
    q = torch.arange(1.0, K + 1)
    k, beta = letters(elements, R, exact=True)
    (y,) = track(k[word][None], beta[word][None], q[None], normalize=False)
    want = (np.stack(elements).transpose(0, 2, 1) @ q.double().numpy())[product]
    assert np.array_equal(y.double().numpy(), want)
    assert len(np.unique(want[:, :K], axis=0)) == len(elements), "the read-out tells all elements apart"


ROUNDED = {
    "S3 in R2": ([triangle()], 2),
    "A5 in R3": ([icosahedron()], 2),
    "S5 standard": ([standard(5)], 4),
    "Z2 to Z12 in R2": ([cyclic(m) for m in range(2, 13)], 2),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_rounding_stays_far_from_the_next_state(name):
    groups, R = ROUNDED[name]
    rng = np.random.default_rng(1)
    words = [rng.integers(len(elements), size=LENGTH) for elements in groups]
    rows = [letters(elements, R, exact=False) for elements in groups]
    k, beta = (torch.stack([row[part][word] for row, word in zip(rows, words)]) for part in (0, 1))
    keys, distances = zip(*(spread(elements) for elements in groups))
    ys = track(k, beta, torch.tensor(np.stack(keys), dtype=torch.float32), normalize=True).double()

    for elements, word, q, distance, y in zip(groups, words, keys, distances, ys):
        product = prefix_products(table(elements), word)
        images = torch.tensor(np.stack(elements).transpose(0, 2, 1) @ q)
        decoded = torch.cdist(y, images).argmin(1).numpy()
        assert np.array_equal(decoded, product)
        off = (y - images[torch.tensor(product)]).norm(dim=1).max().item()
        print(f"{name}, {len(elements)} elements: off by {off:.1e}, decoding errs at {distance / 2:.2f}")
        assert off <= min(drift(R), distance / 4)


@pytest.mark.parametrize("algorithm", [Sequential(), Chunked()], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parity(dtype, algorithm):
    """h = a h + b with a(1) = -1, b(1) = 1 counts modulo 2, exactly, in every dtype."""
    length = LENGTH if isinstance(algorithm, Chunked) else 3_000
    word = torch.randint(2, (1, length, 1), generator=torch.Generator().manual_seed(1))
    a = 1 - 2 * word.to(dtype)
    one = torch.ones(1, length, 1, 1, dtype=dtype)
    y, _ = recurrence(Scalar.of(a, size=1), one, word[..., None].to(dtype), one, algorithm=algorithm)
    assert torch.equal(y[0, :, 0, 0].long(), word[0, :, 0].cumsum(0) % 2)
    assert torch.equal(y, y.round())


def test_two_layers_of_one_householder_add_modulo_m():
    """Layer 1 tells odd positions from even ones, layer 2 reflects by a letter's angle: m = 2 … 19, all at once.

    Source: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues", arXiv 2411.12537,
    Theorem 6.
    """
    moduli = torch.arange(2, 20)
    B = len(moduli)
    g = torch.Generator().manual_seed(1)
    word = (torch.rand(B, LENGTH, generator=g, dtype=torch.float64) * moduli[:, None]).long()
    one = torch.ones(1, LENGTH, 1, 1)
    odd, _ = recurrence(Scalar.of(-torch.ones(1, LENGTH, 1), size=1), one, one, one)  # h = -h + 1
    odd = odd[0, :, 0, 0]
    assert torch.equal(odd, (torch.arange(LENGTH) % 2 == 0).float())

    turn = torch.where(odd > 0, 1 - 2 * word, 1 + 2 * word).double() * torch.pi / moduli[:, None]
    k = torch.stack([-(turn / 2).sin(), (turn / 2).cos()], dim=-1).float()
    state, ys = torch.tensor([1.0, 0.0])[None, None, :, None].expand(B, 2, 2, 1), []
    for first in range(0, LENGTH, PIECE):
        reflector = k[:, first : first + PIECE, None, None].expand(B, PIECE, 2, 1, 2)  # two heads, one per coordinate
        A = Householder(k=reflector, beta=torch.full((B, PIECE, 2, 1), 2.0), normalize=True)
        q = torch.eye(2).expand(B, PIECE, 2, 2)
        y, state = recurrence(A, A.k, torch.zeros(B, PIECE, 2, 1, 1), q, state=state)
        state = state / state.norm(dim=2, keepdim=True)
        ys.append(y[..., 0])
    y = torch.cat(ys, dim=1).double()

    for m, seen, letter in zip(moduli.tolist(), y, word):
        i = torch.arange(m) * 2 * torch.pi / m
        even_states = torch.stack([i.cos(), i.sin()], dim=1)
        odd_states = torch.stack([(torch.pi / m - i).cos(), (torch.pi / m - i).sin()], dim=1)
        states = torch.cat([even_states, odd_states]).double()
        total = letter.cumsum(0) % m
        decoded = torch.cdist(seen, states).argmin(1)
        assert torch.equal(decoded % m, total), m
        off = (seen - states[total + m * odd.long()]).norm(dim=1).max().item()
        print(f"m = {m}: off by {off:.1e}, decoding errs at {np.sin(np.pi / (2 * m)):.2f}")
        assert off <= min(drift(1), np.sin(np.pi / (2 * m)) / 2), m


def test_zero_stays_zero():
    """Products of reflections preserve rank: without writes S_0 = 0 says nothing."""
    k, beta = letters(cube(), 2, exact=True)
    word = torch.arange(24).repeat(3)
    A = Householder(k=k[word][None, :, None], beta=beta[word][None, :, None])
    y, state = recurrence(A, A.k, torch.zeros(1, 72, 1, 2, 3), torch.ones(1, 72, 1, 3))
    assert y.eq(0).all()
    assert state.eq(0).all()
