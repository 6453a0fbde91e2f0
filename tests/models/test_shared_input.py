"""Products that share their input are merged, and the graph computes what it did."""

import pytest
import torch
import torch.nn.functional as F
from torch._inductor.decomposition import select_decomp_table
from torch.fx.experimental.proxy_tensor import make_fx

from lrnn.backends.triton import projections
from lrnn.models.shared_input import MergeProjections
from tests.models.small import blocks, small_model


def counts(graph):
    names = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    return names.count("aten.mm.default"), names.count("lrnn.project.default")


def merged(function, *inputs):
    with torch.no_grad():
        graph = make_fx(function, tracing_mode="fake")(*inputs)
    before = counts(graph)
    MergeProjections("cpu")(graph.graph)
    graph.recompile()
    return graph, before, counts(graph)


def test_projections_of_one_input_are_merged():
    def function(x, a, b, c, bias):
        h = x.relu()
        late = (h.sin() @ c.mT) @ a  # two that share nothing
        return F.linear(h, a), late, F.linear(h, b), torch.addmm(bias, h, c.mT)

    g = torch.Generator().manual_seed(0)
    x, a, b, c = (torch.randn(n, 8, generator=g) for n in (3, 8, 5, 8))
    inputs = (x, a, b, c, torch.zeros(8))
    graph, before, after = merged(function, *inputs)
    assert before == (4, 0) and after == (2, 1)
    torch.testing.assert_close(graph(*inputs), function(*inputs))


@pytest.mark.parametrize("rows, dtype", [(65, torch.float32), (2, torch.float64)])
def test_what_the_kernel_does_not_serve_stays(rows, dtype):
    inputs = [torch.ones(n, 4, dtype=dtype) for n in (rows, 4, 5)]
    _, before, after = merged(lambda x, a, b: (F.linear(x, a), F.linear(x, b)), *inputs)
    assert before == after == (2, 0)


def test_one_row_alone_is_no_matrix_product():
    inputs = [torch.arange(n * 4.0).reshape(n, 4) for n in (1, 5)]
    graph, before, after = merged(F.linear, *inputs)
    assert before == (1, 0) and after == (0, 1)
    torch.testing.assert_close(graph(*inputs), inputs[0] @ inputs[1].mT)


@pytest.mark.no_shape_checks
def test_a_block_asks_for_four_products():
    """What its mixer is made of, the mixer's output, and the same of the MLP."""
    block = blocks(small_model("gated_deltaproduct").float().requires_grad_(False))[0]
    weights, x = dict(block.named_parameters()), torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(0))
    state = block(x[:, :3])[1]

    def step(weights, x, state):
        return torch.func.functional_call(block, weights, (x, state))

    graph, before, after = merged(step, weights, x[:, 3:], state)
    assert before == (10, 0)  # q, k, v, β, decay, gate, output; up, gate, down
    assert after == (2, 2)
    torch.testing.assert_close(graph(weights, x[:, 3:], state), step(weights, x[:, 3:], state))


def residual_block(x, norm, a, b, out, other_norm, gate, up, down):
    h = F.rms_norm(x, (32,), norm, 1e-5)
    x = x + F.linear(F.linear(h, a) * F.linear(h, b).sigmoid(), out)
    h = F.rms_norm(x, (32,), other_norm, 1e-5)
    return x + F.linear(F.silu(F.linear(h, gate)) * F.linear(h, up), down)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("rows, dtype, products", [(1, torch.float32, (0, 4)), (3, torch.float16, (0, 2))])
def test_what_lies_around_a_product_is_part_of_it(rows, dtype, products, monkeypatch):
    monkeypatch.setattr(projections, "LEAST_SPLIT", 16)
    g = torch.Generator().manual_seed(0)
    shapes = ((rows, 1, 32), (32,), (128, 32), (128, 32), (32, 128), (32,), (256, 32), (256, 32), (32, 256))
    inputs = [torch.randn(shape, generator=g) / (shape[-1] ** 0.5 if len(shape) == 2 else 1) for shape in shapes]
    inputs = [x.to(dtype) for x in inputs]
    with torch.no_grad():
        table = select_decomp_table()
        step = torch.func.functionalize(residual_block)
        graph = make_fx(step, tracing_mode="fake", decomposition_table=table)(*inputs)
    MergeProjections("cpu")(graph.graph)
    graph.recompile()
    assert counts(graph) == products
    names = [node.target for node in graph.graph.nodes]
    assert names.count(torch.ops.lrnn.project_parts.default) == (2 if rows > 1 else 0)
    assert any(node.kwargs.get("gated") for node in graph.graph.nodes)
    wanted = residual_block(*(x.double() for x in inputs))
    error = ((graph(*inputs).double() - wanted).norm() / wanted.norm()).item()
    assert error < (1e-6 if dtype == torch.float32 else 2e-3)
