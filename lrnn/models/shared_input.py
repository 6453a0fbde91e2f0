"""Projections of one vector are found in a compiled step and made one kernel."""

from __future__ import annotations

from operator import getitem
from typing import Any

import torch
from torch import fx
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files

from lrnn.backends.triton import projections

VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default, torch.ops.aten.reshape.default)
TRANSPOSED: dict[Any, tuple[Any, ...]] = {torch.ops.aten.t.default: (), torch.ops.aten.permute.default: ([1, 0],)}


class MergeProjections(CustomGraphPass):
    """x W_1ᵀ, x W_2ᵀ, … of one x of few rows become :func:`lrnn.backends.triton.projections.project`.

    So does a product of one row alone, which libraries for matrix products are not made for.

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
            if len(nodes) > 1 or nodes[0].meta["val"].shape[0] == 1:
                _merge(graph, nodes)
        graph.lint()

    def uuid(self) -> Any:
        """What a cache of compiled code depends on."""
        return self.device, get_hash_for_files((__file__, projections.__file__))

    def _key(self, node: fx.Node) -> Any:
        """What nodes have in common that can be merged; None for one that cannot."""
        if node.target is not torch.ops.aten.mm.default or _weight(node) is None:
            return None
        x, y = node.args[0], node.meta["val"]
        assert isinstance(x, fx.Node)
        if y.device.type != self.device or not 1 <= y.shape[0] <= projections.MAX_VECTORS:
            return None
        if y.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            return None
        shape = tuple(x.meta["val"].shape)
        while x.op == "call_function" and x.target in VIEWS:
            x = x.args[0]
            assert isinstance(x, fx.Node)
        return x, shape, y.dtype


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
    return weight if isinstance(weight, fx.Node) and weight.op in ("placeholder", "get_attr") else None


def _merge(graph: fx.Graph, nodes: list[fx.Node]) -> None:
    with graph.inserting_before(nodes[0]):
        merged = graph.call_function(torch.ops.lrnn.project.default, (nodes[0].args[0], [_weight(n) for n in nodes]))
        merged.meta["val"] = [node.meta["val"] for node in nodes]
        parts = [graph.call_function(getitem, (merged, index)) for index in range(len(nodes))]
    for node, part in zip(nodes, parts, strict=True):
        part.meta.update(node.meta)
        node.replace_all_uses_with(part)
        graph.erase_node(node)
