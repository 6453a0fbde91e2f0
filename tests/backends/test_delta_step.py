"""A DeltaNet layer whose steps are one kernel each gives what it gave, token by token, and so does its state."""

from pathlib import Path

import pytest
import torch

import lrnn
from lrnn.backends.triton import delta_step
from lrnn.layers import deltanet
from lrnn.layers.convolution import KERNEL_DTYPES
from tests.backends import gluon_interpreter
from tests.calls import error
from tests.layers.cases import D, draw, make

CASES = {
    "deltanet": ("deltanet", {}),
    "no norms, relu": ("deltanet", {"key_norm": False, "key_activation": "relu", "output_norm": False}),
    "reflections": ("deltaproduct", {"eigenvalues": (-1, 1), "beta_form": "pinned", "num_householders": 3}),
    "elu, no values": ("deltaproduct", {"key_activation": "elu", "value_activation": "none", "conv_size": 2}),
    "gated": ("gated_deltanet", {"eigenvalues": (-1, 1)}),
    "gated, resets": ("gated_deltaproduct", {"decay_form": "clamp", "conv_size": 1}),
    "no gate, learned start": ("gated_deltaproduct", {"output_gate": False, "initial_state": "learned"}),
}


FILES = ("hopper_kernels.py", "delta_step_kernels.py")
KERNEL = gluon_interpreter.kernels_of(*(Path(delta_step.__file__).with_name(name) for name in FILES))[
    "delta_step_kernel"
]


@pytest.fixture
def interpreted(monkeypatch):
    """What would be launched runs in the interpreter of Gluon."""
    launch = delta_step.launch

    class Interpreted:
        def __getitem__(self, grid):
            return lambda num_warps, **arguments: gluon_interpreter.run(KERNEL, grid, **arguments)

    monkeypatch.setattr(delta_step, "launch", lambda *given: (Interpreted(), *launch(*given)[1:]))


@pytest.fixture
def kernels(monkeypatch, interpreted):
    """Say whether the kernel may be used; how often it was is kept."""
    used = []
    whole = deltanet.DeltaNet.step

    def step(self, *args):
        found = whole(self, *args)
        used.extend([] if found is None else [self])
        return found

    monkeypatch.setattr(deltanet.DeltaNet, "step", step)

    def allow(here: bool) -> list:
        used.clear()
        monkeypatch.setattr(deltanet, "kernels_run_on", lambda device: here)
        return used

    return allow


def steps(mixer, x, state, **options):
    ys = []
    for token in x.split(1, dim=1):
        y, state = mixer(token, state, **options)
        ys.append(y)
    return torch.cat(ys, dim=1), state


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_a_layer_gives_what_it_gave(name, dtype, kernels):
    mixer, x = make(*CASES[name]).to(dtype), draw(2, 9, D).to(dtype)
    _, start = mixer(x[:, :4])
    found = {}
    for here in (False, True):
        used = kernels(here)
        y, state = steps(mixer, x[:, 4:], start)
        assert len(used) == 5 * here
        found[here] = [y, state.state, *state.tail]
    for one, other in zip(found[True], found[False], strict=True):
        assert error(one, other) < (3e-6 if dtype == torch.float32 else 6e-3)
    assert torch.equal(found[True][2], found[False][2]) or dtype != torch.float32


@torch.no_grad()
def test_a_program_takes_several_heads(kernels, monkeypatch):
    mixer, x = make("gated_deltaproduct", {"eigenvalues": (-1, 1)}).float(), draw(3, 3, D).float()
    _, start = mixer(x[:, :2])
    used = kernels(True)
    one, after = mixer(x[:, 2:], start)
    monkeypatch.setattr(delta_step, "programs_at_once", lambda size, device: 2)
    other, again = mixer(x[:, 2:], start)
    assert torch.equal(one, other)
    assert torch.equal(after.state, again.state)
    assert torch.equal(after.tail[0], again.tail[0])
    assert len(used) == 2


@torch.no_grad()
def test_the_state_is_overwritten_where_that_is_asked_for(kernels):
    mixer, x = make("gated_deltaproduct", {}), draw(2, 3, D).float()
    mixer = mixer.float()
    used = kernels(True)
    _, start = mixer(x[:, :2])
    before = [start.state.clone(), start.tail[0].clone()]
    y, after = mixer(x[:, 2:], start)
    assert torch.equal(start.state, before[0])
    assert torch.equal(start.tail[0], before[1])
    again, same = mixer(x[:, 2:], start, overwrite_state=True)
    assert same.state is start.state
    assert same.tail[0] is start.tail[0]
    assert torch.equal(y, again)
    assert torch.equal(after.state, same.state)
    assert len(used) == 2


def test_what_it_does_not_serve_goes_the_other_way(kernels):
    mixer, x = make("deltanet", {}).float(), draw(2, 3, D).float()
    used = kernels(True)
    with torch.no_grad():
        _, state = mixer(x[:, :2])
    mixer(x[:, 2:], state)[0].sum().backward()  # a gradient is wanted
    with torch.no_grad():
        mixer(x[:, 1:], state)
        with lrnn.checked():
            mixer(x[:, 2:], state)
        make("deltanet", {"conv_size": 0}).float()(x[:, 2:], state._replace(tail=None))
        one = state._replace(tail=(state.tail[0][:1],))
        with pytest.raises(ValueError, match="state has shape"):
            mixer(x[:1, 2:], one)
    assert not used
    assert torch.float64 not in KERNEL_DTYPES


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, while it traces
@torch.no_grad()
def test_compiled_is_eager(kernels):
    mixer, x = make("gated_deltaproduct", {"eigenvalues": (-1, 1)}).float(), draw(2, 3, D).float()
    kernels(True)
    _, state = mixer(x[:, :2])
    given = state._replace(state=state.state.clone(), tail=(state.tail[0].clone(),))
    want, after = mixer(x[:, 2:], state)
    torch.compiler.reset()
    run = torch.compile(lambda x, state: mixer(x, state, overwrite_state=True), fullgraph=True, backend="aot_eager")
    y, _ = run(x[:, 2:], given)
    assert torch.equal(y, want)
    assert torch.equal(given.state, after.state)
    assert torch.equal(given.tail[0], after.tail[0])


def test_a_state_too_large_for_a_program_is_left_to_others():
    from lrnn.backends.triton.delta_step import serves

    assert serves(128, 256)
    assert not serves(256, 256)
