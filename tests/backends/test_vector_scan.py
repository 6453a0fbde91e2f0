"""The scan of vectors is the definition, in values and all gradients; by Triton's interpreter where there is no GPU."""

from dataclasses import replace

import pytest
import torch

from lrnn.backends.triton import vector_scan_call, vector_scan_layout
from lrnn.backends.triton.vector_scan import vector_scan, vector_scan_backward, vector_scan_forward
from lrnn.backends.triton.vector_scan_layout import PROGRAMS, TILES, launch, num_chunks, segment_tokens, tables, width
from tests.backends.vector_calls import KINDS, Call, compare

SMALL = 8


@pytest.fixture
def short_chunks(monkeypatch):
    """Chunks of 8 tokens, so that a dozen tokens are more than one."""
    for module in (vector_scan_layout, vector_scan_call):
        monkeypatch.setattr(module, "CHUNK", SMALL)


def check(call: Call, seed: int = 0) -> None:
    call = call.drawn(seed)
    compare(call.results("run"), call.wide().results("truth"), call.size[1])


FORMS = [
    (decay, phase) for decay in KINDS for phase in ("none", "full", "fixed") if decay != "signed" or phase == "none"
]


@pytest.mark.parametrize("decay, phase", FORMS)
def test_every_decay_and_phase(decay, phase, short_chunks):
    check(Call(decay, phase))


@pytest.mark.parametrize("G", [1, 2, 4])
@pytest.mark.parametrize("decay", ["stepped", "full"])
def test_heads_share_keys(decay, G, short_chunks):
    check(Call(decay, size=(1, 5, 4, G, 3)))


@pytest.mark.parametrize("numbers", ["q", "k", "v", "qkv"])
def test_complex_numbers_with_real_decays(numbers, short_chunks):
    check(Call("full", size=(1, 5, 2, 1, 2), complex=numbers))
    check(Call("full", "full", size=(1, 5, 2, 2, 2), complex=numbers))


@pytest.mark.parametrize(
    "size", [(1, 1, 1, 1, 1), (3, 1, 2, 1, 5), (1, 8, 1, 1, 1), (1, 9, 40, 1, 1), (1, 3, 9, 3, 16)], ids=str
)
def test_sizes_at_the_edge(size, short_chunks):
    """One token, one head, one number; more heads than a program takes; whole chunks."""
    check(Call("stepped", size=size))


@pytest.mark.parametrize("K", [32, 64, 200])
def test_large_states(K):
    check(Call("stepped", size=(1, 3, 2, 1, K)))


@pytest.mark.parametrize("lengths", [(19,), (1, 9, 4, 5), (8, 1, 10)], ids=str)
@pytest.mark.parametrize("decay, phase", [("stepped", "none"), ("fixed", "full"), ("signed", "none")])
def test_packed_words(decay, phase, lengths, short_chunks):
    check(Call(decay, phase, size=(1, 19, 2, 1, 2), lengths=lengths))


@pytest.mark.parametrize("lengths", [None, (17, 1, 9)], ids=str)
@pytest.mark.parametrize(
    "decay, phase", [("stepped", "none"), ("full", "full"), ("fixed", "fixed"), ("signed", "none")]
)
def test_segments_side_by_side(decay, phase, lengths, short_chunks, monkeypatch):
    """Words cut into segments, which first run by themselves, forward and backward."""
    monkeypatch.setattr("lrnn.backends.triton.vector_scan.CHUNK", SMALL)
    check(Call(decay, phase, size=(1, 27, 2, 1, 2), lengths=lengths, segment=SMALL))
    check(Call(decay, phase, size=(1, 27, 2, 2, 2), lengths=lengths, segment=2 * SMALL))


def test_many_blocks_of_heads_share_a_key_in_little_memory(short_chunks, monkeypatch):
    """What they add to its gradient is added up block by block where there is no room for all of it at once."""
    call = Call("stepped", size=(1, 9, 140, 2, 1)).drawn()
    want = call.results("run")
    monkeypatch.setattr(vector_scan_call, "PARTIAL", 2 * 9 * 2)
    compare(call.results("run"), want, 9)
    compare(want, call.wide().results("truth"), 9)


def test_more_than_one_chunk_as_shipped():
    check(Call("stepped", size=(1, 67, 1, 1, 2)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("G", [1, 2])
def test_narrow_inputs(dtype, G, short_chunks):
    """Nothing is rounded but what is returned in a narrow dtype; the interpreter cuts bfloat16 off, a whole unit."""
    call = Call("stepped", size=(1, 9, 2, G, 4), dtype=dtype).drawn()
    got, want = call.results("run"), call.wide().results("truth")
    assert got["y"].dtype == got["d q"].dtype == dtype
    assert got["final"].dtype == got["d rate"].dtype == torch.float32
    compare(got, want, 9)


@pytest.mark.parametrize("log_decay", [0.0, -30.0])
def test_decays_at_the_edge(log_decay, short_chunks):
    """The gradient of a decay of exp(-30) is right relative to its own size of 1e-13."""
    call = Call("full", size=(1, 11, 2, 1, 3)).drawn()
    call = replace(call, leaves=call.leaves | {"log_decay": torch.full_like(call.leaves["log_decay"], log_decay)})
    compare(call.results("run"), call.wide().results("truth"), 11)


def test_a_zero_sign_is_a_reset(short_chunks):
    call = Call("full", size=(1, 12, 2, 1, 3)).drawn()
    sign = torch.ones(1, 12, 2, 3)
    sign[:, 6] = 0
    call = replace(call, sign=sign)
    leaves = {name: x.clone().requires_grad_() for name, x in call.leaves.items()}
    y, final = replace(call, leaves=leaves).run()
    early = torch.autograd.grad(y[:, 6:].sum() + final.sum(), [leaves["state"], leaves["v"]])
    assert early[0].eq(0).all() and early[1][:, :6].eq(0).all() and early[1][:, 6:].ne(0).all()
    other = replace(call, leaves=call.leaves | {"state": call.leaves["state"] + 100})
    assert torch.equal(other.run()[0][:, 6:], call.run()[0][:, 6:])
    assert torch.equal(other.run()[1], call.run()[1])


def test_no_gradient_keeps_nothing_and_gives_the_same(short_chunks):
    call = Call("stepped").drawn()
    with torch.no_grad():
        y, final = call.run()
    got = call.results("run")
    assert torch.equal(y, got["y"]) and torch.equal(final, got["final"])


def test_only_what_is_asked_for_has_a_gradient(short_chunks):
    call = Call("stepped", size=(1, 5, 2, 1, 2)).drawn()
    v = call.leaves["v"].clone().requires_grad_()
    y, _ = replace(call, leaves=call.leaves | {"v": v}).run()
    (dv,) = torch.autograd.grad(y.sum(), v)
    whole = replace(call, leaves={name: x.clone().requires_grad_() for name, x in call.leaves.items()})
    (want,) = torch.autograd.grad(whole.run()[0].sum(), whole.leaves["v"])
    assert torch.equal(dv, want)


def test_any_strides(short_chunks):
    call = Call("full", "full", size=(2, 5, 2, 2, 3)).drawn()
    turned = {name: x.transpose(0, -1).contiguous().transpose(0, -1) for name, x in call.leaves.items()}
    assert not turned["k"].is_contiguous()
    got, want = replace(call, leaves=turned).results("run"), call.results("run")
    assert all(torch.equal(got[name], want[name]) for name in want)


def test_the_same_call_gives_the_same_bits(short_chunks):
    call = Call("fixed", "full").drawn()
    one, two = call.results("run"), call.results("run")
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("size", [(0, 5, 2, 1, 3), (2, 0, 2, 1, 3), (2, 5, 2, 1, 0)], ids=str)
def test_nothing_to_do(size):
    B, T, H, G, K = size
    state = torch.randn(B, H, K)
    x = torch.zeros(B, T, G, K)
    y, final = vector_scan(x, x, torch.zeros(B, T, H), state, log_decay=torch.zeros(B, T, H, K))
    assert y.shape == (B, T, H) and torch.equal(final, state) and y.eq(0).all()


def test_faults():
    x, v, state = torch.zeros(1, 5, 1, 3), torch.zeros(1, 5, 2), torch.zeros(1, 2, 3)
    log_decay, step, rate = torch.zeros(1, 5, 2, 3), v, torch.zeros(2, 3)
    wrong: list[dict] = [{}, {"log_decay": log_decay, "step": step, "rate": rate}, {"step": step}]
    for given in wrong:
        with pytest.raises(ValueError, match="log_decay or step and rate: one of the two, and not both"):
            vector_scan(x, x, v, state, **given)
    with pytest.raises(ValueError, match="q, v in double precision, wanted float32 or less"):
        vector_scan(x.double(), x, v.double(), state, log_decay=log_decay)
    with pytest.raises(ValueError, match="segment is 7, wanted a multiple of 64"):
        vector_scan(x, x, v, state, log_decay=log_decay, segment=7)
    wide = torch.zeros(1, 5, 1, 257)
    with pytest.raises(ValueError, match="K is 257, wanted at most 256"):
        vector_scan(wide, wide, v, torch.zeros(1, 2, 257), log_decay=torch.zeros(1, 5, 2, 257))


def test_every_tile_fits():
    """Tokens divide a chunk, tiles cover every group of heads, and a warp has no lane too many."""
    for K in range(1, 257):
        for parts in (1, 2):
            for group in (1, 2, 3, 31, 64, 2048):
                for backward in (False, True):
                    chosen = launch(K, group, parts, backward)
                    assert vector_scan_layout.CHUNK % chosen.tokens == 0
                    heads = chosen.lanes * chosen.tiles
                    assert chosen.per_group * heads >= group > (chosen.per_group - 1) * heads
                    assert width(K) in TILES and width(K) * chosen.lanes >= 32


def test_words_are_cut_where_programs_are_few():
    assert segment_tokens(2048, 8 * 2048, PROGRAMS) == 2048
    assert segment_tokens(2048, 8 * 2048, PROGRAMS // 8) == 2048
    cut = segment_tokens(2**20, 2**20, 64)
    assert cut % vector_scan_layout.CHUNK == 0 and 2**20 / cut * 64 <= PROGRAMS
    found = tables((200, 64, 1), 64, torch.device("cpu"))
    assert found.segments.tolist() == [[0, 64, 0], [64, 64, 1], [128, 64, 2], [192, 8, 3], [200, 64, 4], [264, 1, 5]]
    assert found.words.tolist() == [[0, 4], [4, 1], [5, 1]]
    assert found.firsts is not None and found.firsts.tolist() == [0, 4, 5]
    assert found.lasts is not None and found.lasts.tolist() == [3, 4, 5]
    assert num_chunks(1, 265, (200, 64, 1)) == 6


@pytest.mark.parametrize("call", [Call("stepped"), Call("fixed", "full", complex="v")], ids=str)
def test_the_operators_are_what_torch_wants(call, short_chunks):
    call = call.drawn()
    given = call.arguments()
    names = ("log_decay", "step", "rate", "phase")
    rest = [given.get(name) for name in names]
    fixed = [call.decay == "fixed", call.phase == "fixed"]
    tests = ("test_schema", "test_faketensor")
    inputs = (given["q"], given["k"], given["v"])
    forward = (*inputs, given["state"], *rest, None, *fixed, [], 0, True)
    torch.library.opcheck(vector_scan_forward, forward, test_utils=tests)
    y, final, kept = vector_scan_forward(*forward)
    for needs in ([True] * 4, [False] * 4):
        backward = (y, final, kept, *inputs, *rest, None, *fixed, [], 0, needs)
        torch.library.opcheck(vector_scan_backward, backward, test_utils=tests)


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_compiled_is_eager():
    for call in (Call("stepped", size=(1, 5, 2, 1, 2)), Call("fixed", "full", size=(1, 5, 2, 1, 2), complex="v")):
        torch.compiler.reset()
        call = call.drawn()
        leaves = {name: x.clone().requires_grad_() for name, x in call.leaves.items()}

        def run(leaves, call=call):
            return replace(call, leaves=leaves).run()

        compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
        got, want = compiled(leaves), run(leaves)
        for x, y in zip(got, want):
            assert torch.equal(x, y)
        gradients = [torch.autograd.grad(y.abs().sum() + s.abs().sum(), list(leaves.values())) for y, s in (got, want)]
        assert all(torch.allclose(x, y, rtol=1e-6, atol=1e-7) for x, y in zip(*gradients))
