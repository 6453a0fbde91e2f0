"""Projections of one vector are found in a compiled step and made one kernel, with what lies around them."""

from __future__ import annotations

from operator import getitem
from typing import Any, NamedTuple

import torch
from torch import fx
from torch._higher_order_ops.auto_functionalize import auto_functionalized_v2
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files

from lrnn.backends.triton import projections

aten, prims = torch.ops.aten, torch.ops.prims
VIEWS = (aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.unsqueeze.default)
CASTS = (prims.convert_element_type.default,)
TRANSPOSED: dict[Any, tuple[Any, ...]] = {aten.t.default: (), aten.permute.default: ([1, 0],)}


class MergeProjections(CustomGraphPass):
    """x W_1ᵀ, x W_2ᵀ, … of one x of few rows become :func:`lrnn.backends.triton.projections.project`.

    So does silu(x W_1ᵀ) ⊙ x W_2ᵀ, and a product of one row alone, which libraries for matrix products are not made for,
    with the RMSNorm that x comes from and what its result is added to. A product too small to fill a GPU becomes
    several sums.

    At one word a projection of a layer is too small to fill a GPU, and starting it takes as long as running it.

    Arguments:
        device: the type of device on which this is done.
    """

    def __init__(self, device: str = "cuda") -> None:
        self.device = device

    def __call__(self, graph: fx.Graph) -> None:
        groups: dict[Any, list[fx.Node]] = {}
        for node in graph.nodes:
            if (key := self._key(node)) is not None:
                groups.setdefault(key, []).append(node)
        for nodes in groups.values():
            rows, (N, D) = _value(nodes[0]).shape[0], _value(_weight(nodes[0])).shape
            if len(nodes) > 1 or rows == 1:
                _merge(graph, nodes, rows == 1)
            elif (splits := projections.splits_of(rows, N, D, _value(nodes[0]).dtype)) > 1:
                _split(graph, nodes[0], splits)
        _read_early(graph)
        graph.eliminate_dead_code()
        graph.lint()

    def uuid(self) -> Any:
        """What a cache of compiled code depends on."""
        return self.device, get_hash_for_files((__file__, projections.__file__))

    def _key(self, node: fx.Node) -> Any:
        """What nodes have in common that can be merged; None for one that cannot."""
        if node.target is not aten.mm.default or _weight(node) is None:
            return None
        x, y = node.args[0], _value(node)
        assert isinstance(x, fx.Node)
        if y.device.type != self.device or not 1 <= y.shape[0] <= projections.MAX_VECTORS:
            return None
        if y.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            return None
        return _behind(x, VIEWS), tuple(_value(x).shape), y.dtype


def _merge(graph: fx.Graph, nodes: list[fx.Node], alone: bool) -> None:
    """One kernel for products of one x; ``alone``: which is one row."""
    x = nodes[0].args[0]
    options: dict[str, Any] = {}
    assert isinstance(x, fx.Node)
    normed, gated = _normed(x) if alone else None, _gated(graph, nodes)
    total, residual = _added(graph, nodes[0]) if alone and len(nodes) == 1 else (None, None)
    with graph.inserting_before(nodes[0]):
        if normed is not None:
            x, options["norm"], options["eps"] = _row(graph, normed.source), normed.weight, normed.eps
        if residual is not None:
            options["residual"] = _row(graph, residual)
        if gated is not None:
            options["gated"] = True
        weights = [_weight(node) for node in (nodes if gated is None else gated.products)]
        merged = graph.call_function(torch.ops.lrnn.project.default, (x, weights), options | _early(x))
        results = [total] if total is not None else nodes if gated is None else [gated.result]
        merged.meta["val"] = [_value(node) for node in (nodes if gated is None else nodes[:1])]
        parts = [graph.call_function(getitem, (merged, index)) for index in range(len(results))]
        for part, value in zip(parts, merged.meta["val"], strict=True):
            part.meta["val"] = value
        if results is not nodes:
            parts = [graph.call_function(aten.reshape.default, (parts[0], list(_value(results[0]).shape)))]
    _replace(graph, results, parts)


def _split(graph: fx.Graph, node: fx.Node, splits: int) -> None:
    """A product as several sums."""
    x, value = node.args[0], _value(node)
    assert isinstance(x, fx.Node)
    with graph.inserting_before(node):
        parts = graph.call_function(torch.ops.lrnn.project_parts.default, (x, _weight(node), splits), _early(x))
        parts.meta["val"] = value.new_empty(splits, *value.shape, dtype=torch.float32)
    _sum(graph, node, parts, splits)


def _sum(graph: fx.Graph, node: fx.Node, parts: fx.Node, splits: int) -> None:
    """The sum of the parts of a product, with what it is added to and the RMSNorm of that, if it is, in one kernel."""
    value = _value(node)
    total, residual = _added(graph, node)
    normed = []
    if total is not None:
        normed = [(x, of) for x in graph.nodes if x.target not in VIEWS and (of := _normed(x)) and of.source is total]
    if total is not None and residual is not None and len({of.weight for _, of in normed}) == 1:
        x, found = normed[-1]  # behind what rounds it
        with graph.inserting_before(total):
            row = graph.call_function(aten.reshape.default, (residual, list(value.shape)))
            both = graph.call_function(torch.ops.lrnn.add_norm.default, (parts, row, found.weight, found.eps))
            row.meta["val"], both.meta["val"] = value, (value, value)
            ends = [graph.call_function(getitem, (both, index)) for index in range(2)]
            shaped = []
            for end, old in zip(ends, (total, x), strict=True):
                end.meta["val"] = value
                shaped.append(graph.call_function(aten.reshape.default, (end, list(_value(old).shape))))
        _replace(graph, [total, x], shaped)
        return
    with graph.inserting_before(node):
        total = None
        for split in range(splits):
            part = graph.call_function(aten.select.int, (parts, 0, split))
            part.meta["val"] = parts.meta["val"][split]
            total = part if total is None else graph.call_function(aten.add.Tensor, (total, part))
            total.meta["val"] = part.meta["val"]
        narrow = graph.call_function(prims.convert_element_type.default, (total, value.dtype))
    _replace(graph, [node], [narrow])


def _read_early(graph: fx.Graph) -> None:
    """Steps whose tail and state come in from outside and are written where they are, so that nobody copies them."""
    for node in graph.nodes:
        if node.target is auto_functionalized_v2 and node.args[0] is torch.ops.lrnn.delta_step_.default:
            bases = [node.kwargs["_all_bases"][node.kwargs[f"_{name}_base_index"]] for name in ("tail", "state")]
            users = [user for base in bases for user in base.users if user is not node]
            back = all(user.target is aten.copy_.default and user.args[0] in bases for user in users)
            node.kwargs = node.kwargs | {"untouched": back and all(map(_is_input, bases))}


def _replace(graph: fx.Graph, nodes: list[fx.Node], others: list[fx.Node]) -> None:
    for node, other in zip(nodes, others, strict=True):
        other.meta.update(node.meta)
        node.replace_all_uses_with(other)
        graph.erase_node(node)


def _early(x: fx.Node) -> dict[str, Any]:
    """May weights be read while the kernel before is running? They come in from outside, so that no kernel of this
    graph writes them, but one before the first may."""
    return {"early": _behind(x, VIEWS).op == "call_function"}


class Normed(NamedTuple):
    """x = source / RMS(source) ⊙ weight."""

    source: fx.Node
    weight: fx.Node
    eps: float


class Gated(NamedTuple):
    """result = silu(products[0]) ⊙ products[1]."""

    products: tuple[fx.Node, fx.Node]
    result: fx.Node


def _normed(x: fx.Node) -> Normed | None:
    """RMSNorm as the compiler writes it out."""
    scaled, weight = _arguments(x, aten.mul.Tensor)
    wide, root = _arguments(scaled, aten.mul.Tensor)
    mean, eps = _arguments(_arguments(root, aten.rsqrt.default)[0], aten.add.Scalar, aten.add.Tensor)
    squares, axes = _arguments(mean, aten.mean.dim)
    base, power = _arguments(squares, aten.pow.Tensor_Scalar)
    if wide is None or base is not wide or power != 2 or not isinstance(eps, float) or not _is_input(weight):
        return None
    source, dtype, size = _behind(wide, CASTS), _value(x).dtype, _value(x).shape[-1]
    if axes not in ([-1], [_value(squares).ndim - 1]) or _value(source).dtype != dtype:
        return None
    return Normed(source, weight, eps) if (_value(weight).dtype, _value(weight).numel()) == (dtype, size) else None


def _gated(graph: fx.Graph, nodes: list[fx.Node]) -> Gated | None:
    """Two products of which nothing is used but silu of the one times the other; silu(g) is written g / (1 + e^-g)."""
    for result in graph.nodes if len(nodes) == 2 else ():
        factors = _arguments(result, aten.mul.Tensor)
        for one, other in (factors, factors[::-1]):
            gate, below = _arguments(one, aten.div.Tensor)
            power, unit = _arguments(below, aten.add.Tensor)
            negative = _arguments(_arguments(power, aten.exp.default)[0], aten.neg.default)[0]
            products = _behind(gate, VIEWS + CASTS), _behind(other, VIEWS + CASTS)
            if negative is gate and unit == 1 and set(products) == set(nodes) and _is_all(result, nodes):
                return Gated(products, result)
    return None


def _is_all(result: fx.Node, nodes: list[fx.Node]) -> bool:
    """Is nothing that lies between these and the result used anywhere else?"""
    between, rest = set(nodes), [result]
    while rest:
        new = set(rest.pop().all_input_nodes) - between
        between |= new
        rest += new
    return all(user is result or user in between for node in between for user in node.users)


def _added(graph: fx.Graph, node: fx.Node) -> tuple[fx.Node | None, fx.Node | None]:
    """The sum that a product goes into, and nothing else does, and what it is added to."""
    product, total = node, node
    while len(total.users) == 1 and (total is node or total.target in VIEWS):
        product, total = total, next(iter(total.users))
    if total.target is not aten.add.Tensor or total.kwargs or len(total.args) != 2:
        return None, None
    others = [other for other in total.args if other is not product]
    before = set()
    for each in graph.nodes:
        if each is node:
            break
        before.add(each)
    if len(others) != 1 or others[0] not in before or not isinstance(others[0], fx.Node):
        return None, None
    one, other, both = (_value(each) for each in (node, others[0], total))
    fits = one.dtype == other.dtype == both.dtype and one.numel() == other.numel() == both.numel()
    return (total, others[0]) if fits else (None, None)


def _arguments(node: Any, *targets: Any) -> tuple[Any, Any]:
    """Two arguments of a node that is a call of one of these, behind what only changes its form; else nothing."""
    node = _behind(node, VIEWS + CASTS)
    if not isinstance(node, fx.Node) or node.target not in targets:
        return None, None
    first, second = (*node.args, None)[:2]
    return (_behind(first, VIEWS) if isinstance(first, fx.Node) else first), second


def _behind(node: Any, targets: tuple[Any, ...]) -> Any:
    """What a node is made of by nothing but calls of these."""
    while isinstance(node, fx.Node) and node.op == "call_function" and node.target in targets:
        node = node.args[0]
    return node


def _is_input(node: Any) -> bool:
    return isinstance(node, fx.Node) and node.op in ("placeholder", "get_attr")


def _value(node: Any) -> Any:
    return node.meta["val"]


def _row(graph: fx.Graph, node: fx.Node) -> fx.Node:
    """The numbers of a node as one row."""
    row = graph.call_function(aten.reshape.default, (node, [1, _value(node).numel()]))
    row.meta["val"] = _value(node).reshape(1, -1)
    return row


def _weight(node: fx.Node) -> fx.Node | None:
    """W of x Wᵀ if it is an input of the graph, so that it is there before any of the products."""
    turned = node.args[1]
    if (
        not isinstance(turned, fx.Node)
        or turned.target not in TRANSPOSED
        or turned.args[1:] != TRANSPOSED[turned.target]
    ):
        return None
    weight = turned.args[0]
    return weight if isinstance(weight, fx.Node) and _is_input(weight) else None
