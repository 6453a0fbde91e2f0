"""Hand-set weights: with the right options eigenvalues are exactly -1, 0 and 1, and long words cost no rounding."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from lrnn import Diagonal, PermutationDiagonal
from lrnn.layers import MIXERS, LinearMixer, Mixer

T = 100_000
EXACT = {"initial_state": "learned", "write": False, "conv_size": 0, "output_norm": False, "key_activation": "none"}


def word(seed: int = 0, letters: int = 2) -> Tensor:
    return torch.randint(letters, (T,), generator=torch.Generator().manual_seed(seed))


def letters(word: Tensor, num_letters: int = 2) -> Tensor:
    """One-hot rows in float32, [1, T, num_letters]."""
    return torch.nn.functional.one_hot(word, num_letters).float()[None]


def put(mixer: Mixer, **weights: float | list | Tensor) -> None:
    """Set weights by name, with __ for the dot; a number fills."""
    named = dict(mixer.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            named[name.replace("__", ".")].copy_(torch.as_tensor(value))


def build(name: str, **options: Any) -> LinearMixer:
    """A mixer with one head."""
    one = {"num_heads": 1} if "num_heads" in MIXERS[name].Config.__dataclass_fields__ else {}
    mixer = MIXERS[name](MIXERS[name].Config(**one | options))
    assert isinstance(mixer, LinearMixer)
    return mixer


def delta_parity(name: str) -> LinearMixer:
    """One head of 1 × 1: k = 1 at letter 1 and 0 at letter 0, β = 2, q = 1, so the state is ±1."""
    options = EXACT | {"key_dim": 1, "value_dim": 1, "eigenvalues": (-1, 1), "beta_form": "pinned", "key_norm": False}
    if name.startswith("gated"):
        options |= {"decay_form": "clamp", "output_gate": False}
    mixer = build(name, dim=2, **options)
    key = torch.zeros_like(dict(mixer.named_parameters())["projs.1.weight"])
    key[0, 1] = 1.0  # with two reflectors the second is the identity
    put(mixer, initial_state=1.0, projs__0__weight=1.0, projs__1__weight=key, out_proj__weight=[[1.0], [0.0]])
    if name.startswith("gated"):
        put(mixer, dt_bias=-100.0)  # α = 1
    return mixer


def gla_parity() -> LinearMixer:
    """z = -100 at letter 1, where a = -1, and +100 at letter 0, where a = 1."""
    sizes = {"dim": 2, "key_dim": 1, "value_dim": 2, "decay_rank": 1}
    mixer = build("gla", **sizes, **EXACT, eigenvalues=(-1, 1), decay_form="clamp", output_gate=False)
    put(mixer, initial_state=1.0, projs__0__weight=1.0, out_proj__weight=torch.eye(2))
    put(mixer, decay_proj__0__weight=[[1.0, -1.0]], decay_proj__1__weight=100.0)
    return mixer


def sdssm_parity() -> LinearMixer:
    """Two dictionary matrices, chosen by logits ±200: the identity at letter 0, the swap at letter 1."""
    mixer = build("sdssm", dim=2, state_dim=2, num_matrices=2, write=False, initial_state="learned")
    put(mixer, select_proj__weight=400 * torch.eye(2), select_proj__bias=-200.0, initial_state=[[[1.0], [-1.0]]])
    put(mixer, dictionary=torch.stack([torch.eye(2), torch.eye(2).flip(0)]))
    return mixer


def pdssm_parity(diagonal: str) -> LinearMixer:
    """The same two matrices as P_t; or P_t = I and D_t = ±1 by its signs."""
    form = {} if diagonal == "identity" else {"decay_form": "clamp"}
    mixer = build("pdssm", dim=2, state_dim=2, num_matrices=2, write=False, diagonal=diagonal, **form)
    put(mixer, D=0.0, out_proj__bias=0.0, out_proj__weight=[[1.0, 0.0], [0.0, 0.0]], initial_state=[[[1.0], [-1.0]]])
    swap = torch.eye(2).flip(0) if diagonal == "identity" else torch.eye(2)
    put(mixer, select_proj__weight=10 * torch.eye(2), dictionary=torch.stack([torch.eye(2), swap]))
    if diagonal == "signed":  # GELU(20) = 20, GELU(0) = 0
        put(mixer, magnitude__0__weight=torch.eye(2).repeat(2, 1) * 20, magnitude__0__bias=0.0)
        put(mixer, magnitude__2__weight=[[1.0, -1.0, 0.0, 0.0]] * 2, magnitude__2__bias=0.0)
    return mixer


def aussm_counter(m: int, num_angles: int | None) -> LinearMixer:
    """Letter x turns by 2πx/m; two channels read cos and sin."""
    options = {"num_channels": 2, "state_dim": 1, "num_angles": num_angles, "conv_size": 0, "output_gate": False}
    mixer = build("aussm", dim=2, write=False, initial_state="learned", **options)
    start = torch.tensor([[1.0, 0.0], [0.0, -1.0]])  # 1 and -i
    put(mixer, in_proj__weight=[[1.0, 0.0], [1.0, 0.0]], C=[[1.0, 0.0]], D=0.0, out_proj__weight=torch.eye(2))
    put(mixer, phase_proj__weight=[[2 * math.pi / m, 0.0]] * 2, phase_proj__bias=0.0)
    put(mixer, initial_state=start[:, None, None])
    return mixer


PARITY = {
    **{name: lambda name=name: delta_parity(name) for name in MIXERS if "delta" in name},
    "gla": gla_parity,
    "pdssm permutation": lambda: pdssm_parity("identity"),
    "pdssm sign": lambda: pdssm_parity("signed"),
    "aussm": lambda: aussm_counter(2, 2),
}


@pytest.mark.parametrize("name", PARITY)
def test_parity_of_long_words_has_no_error_at_all(name):
    ones = word()
    with torch.no_grad():
        y, _ = PARITY[name]()(letters(ones).flip(-1) if name == "aussm" else letters(ones))
    assert torch.equal(y[0, :, 0], 1.0 - 2.0 * (ones.cumsum(0) % 2))


def test_softmax_chooses_a_matrix_exactly():
    """Columns of one-hot matrices have p-norm exactly 1, so the matrices are what the dictionary says."""
    mixer, ones = sdssm_parity(), word()[:20_000]
    with torch.no_grad():
        A = mixer.drive(letters(ones[:50])).A.dense()
        _, state = mixer(letters(ones))
    wanted = torch.stack([torch.eye(2), torch.eye(2).flip(0)])[ones[:50]]
    assert torch.equal(A[0, :, 0], wanted)
    sign = 1 - 2 * (int(ones.sum()) % 2)
    assert state.state.flatten().tolist() == [sign, -sign]


@pytest.mark.parametrize("diagonal", ["real", "signed", "complex"])
def test_pdssm_reaches_its_ends_at_finite_weights(diagonal):
    """|d| exactly 1, 0 (or -1), phases exactly 0."""
    mixer = build("pdssm", dim=2, state_dim=2, diagonal=diagonal, decay_form="clamp", hidden_factor=1)
    for name in ("magnitude", "phase") if diagonal == "complex" else ("magnitude",):
        put(mixer, **{f"{name}__0__weight": 20 * torch.eye(2), f"{name}__0__bias": 0.0, f"{name}__2__bias": 0.0})
        put(mixer, **{f"{name}__2__weight": -torch.ones(2, 2) * 10})
    put(mixer, magnitude__2__weight=[[1.0, -1.0], [1.0, -1.0]])
    with torch.no_grad():
        A = mixer.drive(torch.eye(2)[None]).A
    assert isinstance(A, PermutationDiagonal)
    low = -1.0 if diagonal == "signed" else 0.0
    assert A.value[0, :, 0].tolist() == [[1.0, 1.0], [low, low]]


@pytest.mark.parametrize("m", [2, 3, 4, 7, 60])
def test_counting_modulo_m_does_not_drift(m):
    """One rounding at 10⁵ letters as at the first; free angles are off by what 2π/m is rounded by at every letter."""
    steps = word(letters=m)
    counts = torch.stack([steps.float(), torch.zeros(T)], dim=-1)[None]
    angle = steps.double().cumsum(0) % m * (2 * math.pi / m)
    wanted = torch.stack([angle.cos(), angle.sin()], dim=-1)
    with torch.no_grad():
        counted, _ = aussm_counter(m, m)(counts)
        free, _ = aussm_counter(m, None)(counts)
    assert (counted[0] - wanted).abs().max() <= 4 * torch.finfo(torch.float32).eps
    assert (free[0] - wanted).abs().max() <= T * 2**-22
    far = (free[0, -1] - wanted[-1]).abs().max()
    assert far > 100 * (counted[0, -1] - wanted[-1]).abs().max()


def test_products_of_integer_reflections_have_no_error_at_all():
    """S_5 by transpositions and a reset of one row: a swap is e_i - e_j with β = 2, erasing e_i is β = 1."""
    sizes = {"dim": 6, "key_dim": 5, "value_dim": 1}
    mixer = build("deltanet", **sizes, eigenvalues=(-1, 1), beta_form="clamp", key_norm=False, **EXACT)
    keys = torch.tensor(
        [[1, -1, 0, 0, 0], [0, 1, -1, 0, 0], [0, 0, 1, -1, 0], [0, 0, 0, 1, -1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]
    )
    put(mixer, initial_state=torch.arange(1.0, 6.0)[None, :, None], projs__1__weight=keys.T)
    put(mixer, beta__proj__weight=[[3.0, 3, 3, 3, 3, 0]])  # the end of the range, where u = 1, and u = ½
    moves = word(letters=5)
    moves[-100] = 5
    with torch.no_grad():
        _, state = mixer(letters(moves, 6))
    rows = list(range(1, 6))
    for move in moves.tolist():
        if move < 4:
            rows[move], rows[move + 1] = rows[move + 1], rows[move]
        elif move == 5:
            rows[0] = 0
    assert state.state.flatten().tolist() == rows


@pytest.mark.parametrize("form", ["sigmoid", "clamp"])
def test_a_key_as_it_comes_makes_an_exact_reflection(form):
    """β/(kᵀk) of integer keys of length 2 and √2; k = 0 is the identity."""
    mixer = build("deltanet", dim=4, key_dim=4, eigenvalues=(-1, 1), beta_form=form, key_norm=False, **EXACT)
    put(mixer, projs__1__weight=torch.eye(4), beta__proj__weight=20.0)
    x = torch.tensor([[1.0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]])[None]
    with torch.no_grad():
        drive = mixer.drive(x)
    assert torch.equal(drive.k[..., 0, 0, :], x)
    A = drive.A.dense()[0, :, 0]
    assert A[0].tolist() == (torch.eye(4) - 0.5).tolist()
    assert A[1].tolist() == [[1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0], [0, -1, 0, 0]]
    assert A[2].tolist() == torch.eye(4).tolist()


@pytest.mark.parametrize("form", ["clamp", "pinned"])
@pytest.mark.parametrize("eigenvalues", [(-1, 1), (0, 1)])
def test_gla_reaches_its_ends_at_finite_weights(form, eigenvalues):
    mixer = build("gla", dim=4, key_dim=1, decay_rank=4, decay_form=form, eigenvalues=eigenvalues)
    put(mixer, decay_proj__0__weight=torch.eye(4), decay_proj__1__weight=[[-1000.0, -40.0, 0.0, 1000.0]])
    with torch.no_grad():
        A = mixer.drive(torch.eye(4)[None]).A
    assert isinstance(A, Diagonal)
    low = eigenvalues[0]
    # what pinned keeps above 0 lets its gradient through, and is far below the rounding of a state
    slack = 1.1e-20 if form == "pinned" and low == 0 else 0.0
    assert (A.value.flatten() - torch.tensor([low, low, 1.0, 1.0])).abs().max() <= slack


def test_a_flip_flop_of_long_words_has_no_error_at_all():
    """GLA with clamped decays: letters 1 and 2 reset the state and write ±1, letter 0 holds."""
    options = {"key_dim": 1, "value_dim": 2, "output_gate": False, "output_norm": False}
    mixer = build("gla", dim=3, decay_rank=1, decay_form="clamp", **options)
    value = [[0.0, 1.0, -1.0], [0.0, 0.0, 0.0]]
    put(mixer, projs__0__weight=1.0, projs__1__weight=1.0, projs__2__weight=value)
    put(mixer, decay_proj__0__weight=[[1.0, -1.0, -1.0]], decay_proj__1__weight=100.0, out_proj__weight=torch.eye(3, 2))
    moves = torch.where(torch.rand(T, generator=torch.Generator().manual_seed(0)) < 0.01, word(1) + 1, 0)
    with torch.no_grad():
        y, _ = mixer(letters(moves, 3))
    last, wanted = 0.0, []
    for move in moves.tolist():
        last = [last, 1.0, -1.0][move]
        wanted.append(last)
    assert y[0, :, 0].tolist() == wanted


@pytest.mark.parametrize("name", ["gla", "gated_deltanet"])
def test_without_the_gate_and_the_norm_what_is_read_is_mapped_linearly(name):
    """Twice the learned S_0 gives twice the output."""
    mixer = build(name, dim=8, output_gate=False, **EXACT)
    x = torch.randn(1, 9, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        once, _ = mixer(x)
        put(mixer, initial_state=2 * mixer.initial_state)
        twice, _ = mixer(x)
    torch.testing.assert_close(twice, 2 * once)
    assert not any(weight.startswith(("norm", "gate_proj")) for weight in mixer.state_dict())


SEES = {"deltanet": "beta", "gated_deltanet": "decay.log_decay", "gla": "log_decay"}


@pytest.mark.parametrize("name", SEES)
def test_a_convolution_in_front_lets_the_matrix_depend_on_two_letters(name):
    """β and decay see the letter before, which behind the projections they do not."""
    seen = {}
    for place in ("qkv", "input"):
        mixer = build(name, dim=8, conv_size=2, conv_place=place)
        x = torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
        made = mixer.drive(x).A.tensors()[SEES[name]]
        (gradient,) = torch.autograd.grad(made[:, 2].sum(), x)
        seen[place] = gradient[0].ne(0).any(-1).tolist()
    assert seen == {"qkv": [False, False, True], "input": [False, True, True]}
