"""The fused step is the definition, whatever the dtypes and strides, and overwrites only when told to."""

import pytest
import torch

from lrnn import Householder, Packing, Sequential, recurrence
from lrnn.backends.triton.step import step
from tests.backends.step_calls import FORMS, Call

EPS = {dtype: torch.finfo(dtype).eps for dtype in (torch.float32, torch.bfloat16, torch.float16)}
"""One rounding of y may be a whole unit, for the interpreter cuts off what bfloat16 does not hold."""


def check(got, call, dtype=torch.float32):
    """Inputs are rounded, the arithmetic is float32, and y alone is rounded again."""
    y, state = got
    wanted = call.truth()
    rounds = 32 * call.k.shape[-1] ** 0.5 * EPS[torch.float32]
    assert y.dtype == (torch.complex64 if call.state.is_complex() else dtype) and state.dtype == call.state.dtype
    torch.testing.assert_close(state.to(wanted[1].dtype), wanted[1], rtol=rounds, atol=rounds)
    torch.testing.assert_close(y.to(wanted[0].dtype), wanted[0], rtol=rounds + EPS[dtype], atol=rounds)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("T", [1, 3])
def test_a_step_is_the_definition(form, T):
    call = Call(form, T=T)
    before = call.state.clone()
    check(call.run(), call)
    assert torch.equal(call.state, before)


@pytest.mark.parametrize("form", FORMS)
def test_overwriting_gives_the_same_numbers_in_the_same_memory(form):
    call = Call(form, T=2, K=5, V=9)
    y, final = call.run()
    state, out = call.state.clone(), torch.empty_like(y)
    y_again, same = call.run(state, overwrite=True, out=out)
    assert same is state and y_again is out
    assert torch.equal(state, final) and torch.equal(out, y)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", ["diagonal and signs, normalized", "signed diagonal", "rank 2", "scalar"])
def test_narrow_inputs_are_rounded_nowhere_else(form, dtype):
    call = Call(form, T=2, K=16, V=8, dtype=dtype)
    check(call.run(), call, dtype)


@pytest.mark.parametrize("form", ["scalar", "signed diagonal", "complex", "delta rule"])
@pytest.mark.parametrize("K, H", [(16, 3), (1, 40)])
def test_one_column(form, K, H):
    call = Call(form, K=K, V=1, H=H, T=2)
    check(call.run(), call)


@pytest.mark.parametrize("form", ["gated, separate keys", "rank 1 and signs", "scalar", "complex"])
@pytest.mark.parametrize("groups", [1, 2])
def test_heads_share_keys(form, groups):
    call = Call(form, H=4, groups=groups)
    check(call.run(), call)


@pytest.mark.parametrize("K, V", [(60, 33), (130, 4), (3, 70)])
def test_odd_sizes(K, V):
    call = Call("two reflectors", N=1, H=1, K=K, V=V)
    check(call.run(), call)


def test_a_state_of_many_numbers_is_cut_into_larger_tiles():
    call = Call("delta rule", N=1, H=2, K=1024, V=513)
    check(call.run(), call)


@pytest.mark.parametrize("form", ["gated, separate keys", "rank 2", "signed diagonal", "complex"])
def test_strides_do_not_matter(form):
    call = Call(form, T=2, H=3)
    wanted = call.run()

    def strided(x):
        """The same numbers, every second one of a larger memory in another order of axes."""
        order = list(range(x.ndim))[::-1]
        wide = torch.empty([2 * n for n in x.permute(order).shape], dtype=x.dtype)
        view = wide[tuple(slice(None, None, 2) for _ in order)].permute(order)
        return view.copy_(x)

    call.q, call.k, call.v = strided(call.q), strided(call.k), strided(call.v)
    call.options = {name: strided(x) if torch.is_tensor(x) else x for name, x in call.options.items()}
    torch.testing.assert_close(call.run(), wanted, rtol=0, atol=0)
    state = strided(call.state)
    torch.testing.assert_close(call.run(state), wanted, rtol=0, atol=0)
    assert call.run(state, overwrite=True)[1] is state
    assert torch.equal(state, wanted[1])


def test_expanded_inputs_are_read_where_they_are():
    call = Call("diagonal", H=4)
    call.q, call.k = (x[:, :, :1].expand(-1, -1, 4, -1) for x in (call.q, call.k))
    call.v = call.v.new_zeros(()).expand(call.v.shape)
    call.options["log_decay"] = call.options["log_decay"][:1, :1, :, :1].expand_as(call.options["log_decay"])
    call.A = type(call.A)(log_decay=call.options["log_decay"])  # type: ignore[call-arg]
    check(call.run(), call)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("log_decay", [0.0, -30.0, float("-inf")])
def test_edges(beta, log_decay):
    call = Call("diagonal and signs, normalized")
    call.options["beta"].fill_(beta)
    call.options["log_decay"].fill_(log_decay)
    call.k[0, 0, 0, 1] = 0  # a reflector of length 0 is the identity
    check(call.run(), call)


def test_a_reflection_of_rounded_keys_keeps_lengths():
    call = Call("diagonal and signs, normalized", K=16, V=4, T=8, dtype=torch.bfloat16)
    call.options = {"beta": torch.full_like(call.options["beta"], 2), "normalize": True}
    call.v.zero_()
    _, state = call.run()
    torch.testing.assert_close(state.norm(dim=-2), call.state.norm(dim=-2), rtol=32 * EPS[torch.float32], atol=0)


def test_packed_words_of_one_token_are_a_batch():
    N, call = 5, Call("two reflectors", N=1, T=5)
    state = call.normal(N, 2, 6, 5)
    q, k, v, beta = (x.transpose(0, 1) for x in (call.q, call.k, call.v, call.options["beta"]))
    y, final = step(q, k, v, state, beta=beta)
    packing = Packing((1,) * N)
    wanted = recurrence(call.A, call.k, call.v, call.q, state=state, packing=packing, algorithm=Sequential())
    torch.testing.assert_close((y.transpose(0, 1), final), tuple(wanted))


@pytest.mark.parametrize("size", [{"T": 0}, {"N": 0}, {"H": 0}, {"V": 0}])
def test_nothing_to_do(size):
    call = Call("scalar", **size)
    shape = (call.q.shape[0], call.q.shape[1], call.state.shape[1], call.v.shape[-1])
    y, state = call.run()
    assert y.shape == shape and torch.equal(state, call.state)
    assert call.run(call.state, overwrite=True)[1] is call.state


@pytest.mark.parametrize(
    "change, message",
    [
        ({"a": torch.zeros(2, 1, 2, 2, 6)}, "beta together with a and b; one of a and b without the other"),
        ({"phase": torch.zeros(2, 1, 2)}, "phase of another shape than log_decay; a phase with a real state"),
        ({"beta": None}, "reflector without beta"),
    ],
)
@pytest.mark.no_shape_checks
def test_what_cannot_be_combined_is_said(change, message):
    call = Call("gated, separate keys")
    call.options.pop("log_decay")
    call.options |= change
    with pytest.raises(ValueError, match=message):
        call.run()


@pytest.mark.no_shape_checks
def test_dtypes_that_no_kernel_has_are_named():
    call = Call("scalar")
    with pytest.raises(TypeError, match=r"state has dtype torch.float64, wanted torch.float32 or torch.complex64"):
        call.run(call.state.double())
    call.v = call.v.double()
    with pytest.raises(TypeError, match=r"v has dtype torch.float64, wanted one of torch.float32"):
        call.run()
    call = Call("scalar", H=3)
    call.q = call.q[:, :, :2]
    with pytest.raises(ValueError, match="2 key heads for 3 heads"):
        call.run()


@pytest.mark.parametrize("form", ["gated, separate keys", "rank 1 and signs", "complex"])
def test_the_ops_keep_what_they_promise_to_torch(form):
    call = Call(form)
    options = dict(call.options)
    normalize = options.pop("normalize", False)
    names = ("reflector", "beta", "a", "b", "log_decay", "sign", "phase")
    given = (call.q, call.k, call.v, *(options.get(name) for name in names))
    torch.library.opcheck(torch.ops.lrnn.step.default, (*given, call.state, normalize))
    y = torch.zeros(2, 1, 2, 5, dtype=call.run()[0].dtype)
    torch.library.opcheck(torch.ops.lrnn.step_.default, (*given, call.state.clone(), y, normalize))


@pytest.mark.compiled
def test_compiled_is_eager():
    call = Call("gated, separate keys", T=2)

    def decode(state, q):
        y, state = step(q, call.k, call.v, state, **call.options, overwrite=True)
        again, fresh = step(q, call.k, call.v, state + 1, **call.options)
        return y + again, state, fresh

    eager_state, compiled_state = call.state.clone(), call.state.clone()
    wanted = decode(eager_state, call.q)
    got = torch.compile(decode, fullgraph=True, backend="aot_eager")(compiled_state, call.q)
    torch.testing.assert_close(got, wanted)
    assert torch.equal(compiled_state, eager_state)


def test_it_is_what_the_public_structures_say():
    """Without the step's own table of forms: one reflector, β = 2, e_1: the first row turns over and is written."""
    one = torch.tensor([[[[[1.0, 0.0]]]]])
    A = Householder(k=one, beta=torch.full((1, 1, 1, 1), 2.0))
    state = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    y, final = step(one[:, :, :, 0], A.k, torch.tensor([[[[[10.0, 0.0]]]]]), state, beta=A.beta)
    assert y.tolist() == [[[[9.0, -2.0]]]]
    assert final.tolist() == [[[[9.0, -2.0], [3.0, 4.0]]]]
