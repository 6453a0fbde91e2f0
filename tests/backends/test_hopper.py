"""The chain for Hopper is the chain: against the Triton kernels, in both interpreters, values and all gradients."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import logsigmoid, normalize

from lrnn.backends.triton import rows_backward, rows_call, rows_forward, rows_layout
from lrnn.backends.triton.launch import Launch
from lrnn.backends.triton.rows import scan_rows
from tests.backends import gluon_interpreter
from tests.calls import error

pytestmark = pytest.mark.no_shape_checks  # what stands in for a launch is none

FILES = (
    "hopper_kernels.py",
    "rows_chain_hopper_kernels.py",
    "rows_chain_bwd_hopper_kernels.py",
    "rows_local_hopper_kernels.py",
    "rows_prepare_hopper_kernels.py",
)
KERNELS = gluon_interpreter.kernels_of(*(Path(rows_call.__file__).with_name(name) for name in FILES))
SIZES = {
    # B, T, H, G, R, K, V, decays, solves
    "one reflector, pieces": (1, 256, 1, 1, 1, 64, 64, False, True),
    "two, decays, slices of V": (2, 128, 2, 2, 2, 64, 128, True, True),
    "four": (1, 64, 2, 2, 4, 128, 64, False, True),
    "one, decays, pieces": (1, 384, 2, 2, 1, 64, 64, True, True),
    "four, decays": (1, 64, 1, 1, 4, 64, 128, True, True),
    "three": (1, 64, 2, 2, 3, 64, 64, False, True),
    "three, decays, cut": (1, 256, 1, 1, 3, 64, 64, True, True),
    "two, pieces": (2, 256, 2, 1, 2, 64, 64, False, True),
    "two, decays, pieces": (1, 224, 2, 2, 2, 64, 64, True, True),
    "cut, pieces": (1, 1024, 1, 1, 1, 64, 64, False, True),
    "two, cut": (1, 512, 1, 1, 2, 64, 64, True, True),
    "one, cut unevenly": (2, 832, 1, 1, 1, 64, 64, False, True),
    "two, cut unevenly": (2, 544, 1, 1, 2, 64, 64, True, True),
    "three, normalized": (1, 64, 2, 2, 3, 64, 64, False, True),
    "two, decays, normalized": (1, 128, 2, 2, 2, 64, 64, True, True),
    "scalar": (2, 128, 3, 3, 1, 128, 64, True, False),
    "scalar, keys shared": (1, 256, 2, 1, 1, 64, 64, True, False),
    "scalar, cut": (1, 512, 1, 1, 1, 128, 64, True, False),
    "scalar, keys shared by many": (2, 192, 12, 1, 1, 64, 64, False, False),
    "scalar, keys shared, cut": (1, 1024, 4, 2, 1, 64, 64, True, False),
    "scalar, keys shared by many, cut": (2, 512, 9, 1, 1, 64, 64, True, False),
    "scalar, weighed": (2, 128, 3, 3, 1, 128, 64, True, False),
    "scalar, keys shared by many, weighed": (2, 192, 9, 1, 1, 64, 64, True, False),
    "scalar, keys shared, cut, weighed": (1, 1024, 4, 2, 1, 64, 128, True, False),
    "one, pieces, delta": (1, 256, 1, 1, 1, 64, 64, False, True),
    "one, decays, delta": (1, 128, 2, 2, 1, 64, 128, True, True),
    "two, cut, delta": (1, 512, 1, 1, 2, 64, 64, False, True),
    "three, decays, delta": (1, 128, 2, 2, 3, 64, 64, True, True),
    "four, delta": (1, 64, 2, 2, 4, 128, 64, False, True),
    "plain, cut": (1, 512, 1, 1, 1, 128, 64, False, False),
    "plain": (2, 192, 1, 1, 1, 64, 64, False, False),
}


@pytest.fixture
def on_hopper(monkeypatch):
    """Choose which chain runs; what is launched of it is kept."""
    launched = []

    def instead(kernel, *, num_warps, registers=None, beside=False, early=False, **constants):
        name = getattr(kernel, "__name__", "")
        if "hopper" not in name:
            return Launch(kernel, num_warps=num_warps, **constants)

        class Interpreted(Launch):
            def start(self, grid, *args):
                assert not beside or launched[-1] == name  # which lets it begin
                launched.append(name)
                gluon_interpreter.run(KERNELS[name], grid, *args, **constants)

        return Interpreted(kernel, num_warps=num_warps, beside=beside)

    monkeypatch.setattr(rows_forward, "Launch", instead)
    monkeypatch.setattr(rows_backward, "Launch", instead)
    monkeypatch.setattr(rows_layout, "PIECE", 2)
    monkeypatch.setattr(rows_layout, "SEGMENT", 4)

    def choose(here: bool) -> list[str]:
        # float16, too, for the interpreter has no bfloat16
        inside = property(lambda call: here and (call.G == call.H or not call.solves))
        monkeypatch.setattr(rows_call.Call, "on_hopper", here)
        monkeypatch.setattr(rows_call.Call, "on_hopper_prepare", property(lambda call: here and call.solves))
        monkeypatch.setattr(rows_call.Call, "on_hopper_inside", inside)
        monkeypatch.setattr(rows_call.Call, "delta", property(lambda call: here and call.delta_rule))
        rows_call.known_call.cache_clear()
        launched.clear()
        return launched

    return choose


@pytest.mark.parametrize("name", SIZES)
def test_both_chains_agree(name, on_hopper):
    B, T, H, G, R, K, V, decays, solves = SIZES[name]
    torch.manual_seed(0)
    half = torch.float16
    q, v = (torch.randn(B, T, G, K) * K**-0.5).to(half), torch.randn(B, T, H, R, V)
    key, beta = normalize(torch.randn(B, T, G, R, K), dim=-1).to(half), 2 * torch.rand(B, T, H, R)
    weighs, delta = name.endswith("weighed"), name.endswith("delta")
    if normalized := name.endswith("normalized"):
        key = key * (0.5 + torch.rand(B, T, G, R, 1)).to(half)
        key[:, 3] = 0
    given: list[Any] = [
        q, key, None, beta if solves or weighs else None, (v * beta[..., None] if solves and not delta else v).to(half),
        logsigmoid(3 + torch.randn(B, T, H)) if decays else None, torch.randn(B, H, K, V),
    ]  # fmt: skip
    dy, dfinal = torch.randn(B, T, H, V), torch.randn(B, H, K, V)
    found = {}
    for here in (False, True):
        launched = on_hopper(here)
        leaves: list[Any] = [x if x is None else x.clone().requires_grad_() for x in given]
        y, final = scan_rows(*leaves, normalize=normalized, erases=not weighs, writes=delta)
        wanted = [x for x in leaves if x is not None]
        gradients = torch.autograd.grad((y.float() * dy).sum() + (final * dfinal).sum(), wanted)
        with torch.no_grad():
            alone = scan_rows(*leaves, normalize=normalized, erases=not weighs, writes=delta)
        for one, other in zip(alone, (y, final), strict=True):
            assert torch.equal(one, other)
        found[here] = [y, final, *gradients]
        assert bool(launched) == here
    for one, other in zip(found[True], found[False], strict=True):
        assert error(one, other) < (1e-3 if delta else 6e-4)  # one of them rounds beta · v
