"""Every structure in the terms of `scan_rows`: with the oracle in the kernels' place, the result is the definition."""

from dataclasses import replace

import pytest
import torch

from lrnn import DPLR, Associative, Chunked, ComplexDiagonal, Diagonal, Householder, Packing, Scalar, recurrence
from lrnn.recurrence import kernel_rows, kernels
from tests.backends import rows_oracle
from tests.calls import call, compare, definition, delta_rule, error, results, tolerance, truth, weighed
from tests.cases import STRUCTURES
from tests.recurrence.test_words import separate

SERVED = [name for name in STRUCTURES if not name.startswith(("dense", "permutation"))]


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """The calls of `scan_rows`, which the oracle answers."""
    calls = []

    def answer(q, key, b, beta, v, log_decay, state, **options):
        calls.append({"q": q, "key": key, "b": b, "beta": beta, "v": v, "log_decay": log_decay, **options})
        scale = beta if beta is None or not options["erases"] else -beta
        return rows_oracle.scan_rows(q, key, b, scale, v, log_decay, state, **options)

    monkeypatch.setattr(kernel_rows, "scan_rows", answer)
    monkeypatch.setattr(kernels, "INSTALLED", True)  # the oracle needs no Triton
    monkeypatch.setattr(kernels, "INTERPRETED", True)
    return calls


def on_kernels(of, **options):
    return of.run(backend="triton", **options)


@pytest.mark.parametrize("name", SERVED)
def test_structure_is_definition(name, seen):
    size = (2, 11, 2, 5, 3)
    got = results(call(name, size).to(torch.float32), on_kernels)
    compare(got, truth(name, size, torch.float32), 11)
    assert len(seen) == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", SERVED)
def test_narrow_inputs_stay_narrow(name, dtype, seen):
    size = (1, 10, 1, 6, 4)
    got = results(call(name, size).to(dtype), on_kernels)
    compare(got, truth(name, size, dtype), 10)
    narrow = dtype if "complex" not in name else torch.float32
    rows = [seen[0][key] for key in ("q", "key", "b", "v")]
    assert {x.dtype for x in rows if x is not None} == {narrow}
    assert seen[0]["log_decay"] is None or seen[0]["log_decay"].dtype == torch.float32


@pytest.mark.parametrize("name", SERVED)
def test_packed(name):
    packing = Packing((3, 1, 9))
    of = call(name, (1, 13, 2, 4, 3), rows=3).to(torch.float32)
    got = results(of, lambda of: on_kernels(of, packing=packing))
    compare(got, results(of.to(torch.float64), lambda of: separate(of, packing, definition)), 13)


@pytest.mark.parametrize("name", SERVED)
def test_strengths(name, seen):
    """Those of real scalars are handed on; what others write is multiplied before."""
    of = weighed(call(name, (2, 11, 2, 5, 3))).to(torch.float32)
    compare(results(of, on_kernels), results(of.to(torch.float64), definition), 11)
    assert seen[0]["erases"] != name.startswith("scalar")


DELTA = [name for name in SERVED if "delta" in name]


@pytest.mark.parametrize("name", DELTA)
def test_the_delta_rule_hands_beta_on(name, seen):
    of = call(name, (2, 11, 2, 5, 3)).to(torch.float32)
    got = results(of, lambda of: on_kernels(delta_rule(of)))
    compare(got, results(of.to(torch.float64), lambda of: definition(delta_rule(of))), 11)
    assert seen[0]["writes"]
    assert torch.equal(seen[0]["v"], of.v)
    on_kernels(replace(of, strength=of.A.beta * 1.0))  # type: ignore[attr-defined]
    assert not seen[1]["writes"]


def test_strengths_of_a_scalar_that_writes_complex_numbers(seen):
    of = weighed(call("scalar signs", (2, 11, 2, 5, 3))).to(torch.float32)
    of = replace(of, state=None, k=torch.polar(of.k.abs(), of.k))
    compare(results(of, on_kernels), results(of.to(torch.float64), definition), 11)
    assert seen[0]["erases"]


@pytest.mark.parametrize("name", SERVED)
def test_no_first_state_is_zero(name):
    size = (1, 9, 1, 4, 3)
    got = results(call(name, size, state=False).to(torch.float32), on_kernels)
    compare(got, truth(name, size, torch.float32, state=False), 9)


def test_the_same_key_is_one_row(seen):
    of = call("householder delta R=3 normalize", (1, 12, 1, 6, 3)).to(torch.float32)
    on_kernels(of)
    on_kernels(replace(of, k=of.A.k * 1.0))  # type: ignore[attr-defined]
    assert [call["key"].shape[3] for call in seen] == [3, 6]
    assert seen[0]["key"].data_ptr() == of.A.k.data_ptr()  # type: ignore[attr-defined]
    assert all(call["normalize"] for call in seen)


def test_dtypes_are_those_of_the_widest_key_or_value(seen):
    of = call("householder scalar", (1, 12, 1, 6, 3)).to(torch.float32)
    assert isinstance(of.A, Householder)
    half = torch.bfloat16
    A = replace(of.A, k=of.A.k.to(half))
    for v, q, work in ((half, half, half), (half, torch.float32, torch.float32), (torch.float16, half, torch.float32)):
        y, state = recurrence(A, A.k, of.v.to(v), of.q.to(q), state=of.state, backend="triton")
        assert (y.dtype, state.dtype) == (v, torch.float32)
        assert seen[-1]["q"].dtype == seen[-1]["key"].dtype == seen[-1]["v"].dtype == work


@pytest.mark.parametrize("name", ["scalar", "scalar signs", "diagonal", "diagonal resets", "complex diagonal"])
def test_grouped_keys(name, seen):
    """Two heads to a key: as if it were there twice, and grouped keys reach the kernel grouped where nothing turns."""
    of = call(name, (1, 10, 4, 5, 3)).to(torch.float32)
    few = replace(of, k=of.k[:, :, ::2], q=of.q[:, :, ::2])
    got = results(few, lambda of: recurrence(of.A, of.k, of.v, of.q, state=of.state, backend="triton"))

    def expanded(of):
        k, q = (x.repeat_interleave(2, dim=2) for x in (of.k, of.q))
        return definition(replace(of, k=k, q=q))

    compare(got, results(few.to(torch.float64), expanded), 10)
    assert seen[0]["key"].shape[2] == (2 if name in ("scalar", "diagonal") else 4)


def test_complex_inputs_of_a_real_structure():
    of = call("diagonal signs", (1, 10, 1, 5, 3)).to(torch.float32)
    of = replace(of, k=of.k * (1 + 2j), v=of.v * 1j)
    got = results(of, on_kernels)
    compare(got, results(replace(of.to(torch.float64)), definition), 10)


def test_complex_rank_one_term_of_a_real_decay():
    of = call("dplr R=3 complex", (1, 10, 1, 5, 3)).to(torch.float32)
    assert isinstance(of.A, DPLR)
    assert isinstance(of.A.decay, ComplexDiagonal)
    for decay in (
        Diagonal(log_decay=of.A.decay.log_decay),
        Scalar(log_decay=of.A.decay.log_decay[..., 0], sign=-torch.ones(1, 10, 1), size=5),
    ):
        real = replace(of, A=replace(of.A, decay=decay))
        compare(results(real, on_kernels), results(real.to(torch.float64), definition), 10)


def test_resets_are_decays_of_zero(seen):
    of = call("householder R=2 diagonal resets", (1, 40, 1, 6, 3)).to(torch.float32)
    on_kernels(of)
    reset = of.A.decay.sign == 0  # type: ignore[attr-defined]
    assert reset.any()
    assert torch.equal(seen[0]["log_decay"] == kernel_rows.RESET, reset)


def test_autocast_changes_nothing():
    of = call("householder scalar", (1, 12, 1, 6, 3)).to(torch.float32)
    want, last = on_kernels(of)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, state = on_kernels(of)
    assert torch.equal(y, want) and torch.equal(state, last)


@pytest.mark.parametrize("size", [(0, 9, 1, 4, 3), (1, 0, 1, 4, 3), (1, 9, 0, 4, 3), (1, 9, 1, 4, 0)], ids=str)
@pytest.mark.parametrize("name", ["scalar", "householder delta", "complex diagonal", "dplr"])
def test_nothing_is_launched_for_nothing(name, size, seen):
    of = call(name, size).to(torch.float32)
    y, state = on_kernels(of)
    B, T, H, _, V = size
    assert y.shape == (B, T, H, V)
    assert of.state is not None
    assert torch.equal(state, of.state.to(state.dtype))
    assert not seen


def test_what_is_named_with_the_backend():
    of = call("diagonal", (1, 12, 1, 6, 3)).to(torch.float32)
    want, _ = of.run()
    y, _ = on_kernels(of, algorithm=Chunked())
    assert error(y, want) <= tolerance(torch.float32, 12)
    with pytest.raises(RuntimeError, match=r"Associative\(\) was named"):
        on_kernels(of, algorithm=Associative())
