"""The theorems that answers name: what each says, and where it is proved.

Those without an arXiv number are proved on the page "What can a linear RNN recognize?" of the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGE = "proved on the page “What can a linear RNN recognize?”"

GRAZZI = "Grazzi et al., Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues, arXiv 2411.12537"
DELTAPRODUCT = (
    "Siems et al., DeltaProduct: Improving State-Tracking in Linear RNNs via Householder Products, arXiv 2502.10297"
)
CKDA = "Siems et al., Complex Kimi Delta Attention (CKDA), arXiv 2609.24797"


@dataclass(frozen=True)
class Theorem:
    """A statement that has been proved.

    Arguments:
        name: what it is called in answers.
        statement: what it says, in one or two sentences.
        source: author, title, arXiv id and number, or the page where it is proved.
    """

    name: str
    statement: str
    source: str


COMMUTING_LETTERS = Theorem(
    "commuting letters with resets",
    "One diagonal layer knows, for every set R of letters, the last letter of R and the counts mod m of the other "
    "letters since then, and nothing else: m = 1 for [0, 1], m = 2 for [-1, 1], any m for complex eigenvalues.",
    f"{PAGE}, theorem 1; for groups Sarrof, Veitsman and Hahn, arXiv 2405.17394, {GRAZZI}, theorems 1 and 2, and "
    "Shakerinava et al., arXiv 2603.01959",
)
COMMUTING_PROJECTIONS = Theorem(
    "contractions have commuting projections",
    "If no A(x) lengthens a vector, one layer recognizes only languages whose syntactic monoid has e·f·e = f·e for all "
    "idempotents e and f.",
    f"{PAGE}, theorem 2",
)
ONE_NONNEGATIVE_FACTOR = Theorem(
    "one nonnegative factor per letter",
    "If every A(x) is symmetric with eigenvalues in [0, 1], one layer recognizes exactly the languages whose syntactic "
    "monoid has x·y·x = y·x: what counts is the order of the last occurrences of the letters.",
    f"{PAGE}, theorem 3",
)
RANK_OF_A_LETTER = Theorem(
    "the rank of a letter",
    "If every A(x) is a gate in [0, 1] times n_h Householder factors in [-1, 1], then in the syntactic monoid of what "
    "one layer recognizes the powers of a letter repeat from the n_h-th on; for n_h = 1 also a·a·a = a.",
    f"{PAGE}, theorem 4",
)
REFLECTIONS_OF_A_GROUP = Theorem(
    "reflections of a group",
    "Letters that are units of the syntactic monoid need, in one layer with n_h Householder factors in [-1, 1], a "
    "finite cover of the group they generate and orthogonal representations of it, one per head, in which every letter "
    "is a product of n_h reflections; if all other letters are resets, that suffices.",
    f"{PAGE}, theorem 5; sufficiency also {GRAZZI}, theorem 3, and {DELTAPRODUCT}, theorem 4",
)
PRIMES = Theorem(
    "depth brings no new simple groups",
    "A simple group that divides the syntactic monoid divides the monoid of one of the layers. Products of symmetric "
    "contractions in [0, 1] have no groups, diagonals in [-1, 1] only powers of Z2, complex diagonals only abelian "
    "ones.",
    f"{PAGE}, theorem 6, from Krohn and Rhodes, Algebraic theory of machines I, Trans. AMS 116 (1965)",
)
CASCADE = Theorem(
    "cascades",
    "Every machine is a cascade of levels whose letters permute the coordinates or reset them; a group with a normal "
    "series is a cascade of its factors. Each level is one layer.",
    f"{PAGE}, theorem 7, from Krohn and Rhodes, Algebraic theory of machines I, Trans. AMS 116 (1965)",
)
PERMUTATION_OR_RESET = Theorem(
    "permutations and resets",
    "A permutation of n states with c cycles is a product of n - c reflections; a constant letter is a gate of 0 and a "
    "write.",
    f"{PAGE}, theorem 8; permutations: {GRAZZI}, proposition 1 and theorem 3",
)
PARTIAL_PERMUTATIONS = Theorem(
    "partial permutations",
    "A letter that is injective on the states it does not send to the sink is a product of rank(A - I) reflections and "
    "projections, the sink being the zero vector.",
    f"{PAGE}, theorem 8",
)
SIDE_BY_SIDE = Theorem(
    "parts side by side",
    "If several quotients of a machine together know its state, heads that do one quotient each do the machine.",
    f"{PAGE}, theorem 8",
)
PLANE = Theorem(
    "the orthogonal plane",
    "Every orthogonal 2 × 2 matrix is one Householder factor in [-1, 1] times one diagonal of signs, so groups whose "
    "real representations of degree at most 2 are jointly faithful need one such factor per letter.",
    f"{PAGE}, theorem 8; {CKDA}, theorem 3",
)
SWAP_OR_COPY = Theorem(
    "swap or copy",
    "Exchanging two states, and moving one state onto another, is the identity plus a matrix of rank one.",
    f"{PAGE}, theorem 8; Peng et al., RWKV-7, arXiv 2503.14456, appendix D",
)
EVERY_MAP = Theorem(
    "every map of states",
    "A deterministic machine with n states is n one-hot columns: any letter is a column one-hot matrix.",
    "Terzić et al., Structured Sparse Transition Matrices to Enable State Tracking in State-Space Models, "
    "arXiv 2509.22284",
)
MODULAR_ADDITION = Theorem(
    "two layers of single reflections add modulo m",
    "The first layer knows the parity of the length, the second reflects a point of the plane at lines that depend on "
    "it; a reflection at every letter makes a rotation at every second.",
    f"{GRAZZI}, theorem 6",
)
DIHEDRAL = Theorem(
    "dihedral groups in two layers",
    "Two layers of single Householder factors in [-1, 1] do the word problem of every dihedral group.",
    f"{DELTAPRODUCT}; {CKDA}, table 1",
)
FOUR_LAYERS = Theorem(
    "any group in few layers",
    "Any group of permutations of n points needs 1 layer with n_h = n - 1, at most 3 layers with n_h = 2, and at most "
    "4 with n_h = 1, eigenvalues in [-1, 1].",
    f"{DELTAPRODUCT}, theorem 1",
)
FINITELY_MANY_LAYERS = Theorem(
    "any regular language in finitely many layers",
    "For every n_h >= 1, finitely many layers of gated Householder products in [-1, 1] recognize any regular language.",
    f"{DELTAPRODUCT}, theorem 2; {GRAZZI}, theorem 4",
)
SUBGROUPS_OF_SO3 = Theorem(
    "finite rotation groups",
    "One layer of a signed diagonal times one Householder factor does the word problem of every finite subgroup of "
    "SO(3): cyclic, dihedral, A4, S4 and A5.",
    f"{CKDA}, theorem 3",
)
FOUR_DIMENSIONS = Theorem(
    "two letters in four dimensions",
    "If every letter of a group turns at most one plane per head, two of them generate a group that is made of cyclic "
    "groups of prime order, Z2 x Z2 and A5 only, and no two conjugates among them become different rotations of A5. So "
    "for the squares of letters if n_h <= 3 or A(x) is a signed diagonal times one Householder factor: S5 with a "
    "5-cycle needs n_h = 4.",
    f"proved in the documentation of lrnn.explain.four_dimensions; S5: {CKDA}, theorems 4 and 22",
)
THREE_LAYERS = Theorem(
    "any group in three layers",
    "Three layers of a signed diagonal times one Householder factor do the word problem of any finite group.",
    f"{CKDA}, theorem 5",
)
RWKV7 = Theorem(
    "any regular language in four layers",
    "Four layers of RWKV-7 with eigenvalues in [-1, 1] recognize any regular language.",
    "Peng et al., RWKV-7 “Goose” with Expressive Dynamic State Evolution, arXiv 2503.14456, theorem 3",
)

THEOREMS = (
    COMMUTING_LETTERS,
    COMMUTING_PROJECTIONS,
    ONE_NONNEGATIVE_FACTOR,
    RANK_OF_A_LETTER,
    REFLECTIONS_OF_A_GROUP,
    PRIMES,
    CASCADE,
    PERMUTATION_OR_RESET,
    PARTIAL_PERMUTATIONS,
    SIDE_BY_SIDE,
    PLANE,
    SWAP_OR_COPY,
    EVERY_MAP,
    MODULAR_ADDITION,
    DIHEDRAL,
    FOUR_LAYERS,
    FINITELY_MANY_LAYERS,
    SUBGROUPS_OF_SO3,
    FOUR_DIMENSIONS,
    THREE_LAYERS,
    RWKV7,
)
"""All of them, those of the page first in its order."""
