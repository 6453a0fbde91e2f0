"""Which nodes of a directed graph can reach each other.

Shapes: N nodes · A edges out of each node.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64


def strong_components(successors: Int64[np.ndarray, "N A"]) -> Int64[np.ndarray, "N"]:
    """The strong component of each node, in time linear in the edges.

    They are numbered in reverse topological order: an edge from one to another leads to the smaller number.

    Source: R. Tarjan, Depth-first search and linear graph algorithms (SIAM J. Computing 1, 1972), without recursion.
    Plain lists, because it takes one edge at a time: 0.3 µs each.

    >>> strong_components(np.array([[1], [2], [1], [0]])).tolist()  # 3 → 0 → 1 ⇄ 2
    [1, 0, 0, 2]
    """
    num_nodes, degree = successors.shape
    heads = successors.ravel().tolist()
    edge = list(range(0, num_nodes * degree, degree)) if degree else [0] * num_nodes  # the next one to follow
    closed = num_nodes + 1  # later than every visit
    visit, low = [0] * num_nodes, [0] * num_nodes  # when a node was visited; the earliest open visit seen from it
    component = [0] * num_nodes
    clock, count = 0, 0
    for root in range(num_nodes):
        if visit[root]:
            continue
        path, open_nodes = [], []
        node = root
        while True:
            if not visit[node]:
                clock += 1
                visit[node] = low[node] = clock
                path.append(node)
                open_nodes.append(node)
            if edge[node] < (node + 1) * degree:
                head = heads[edge[node]]
                edge[node] += 1
                if not visit[head]:
                    node = head
                elif visit[head] < low[node]:
                    low[node] = visit[head]
                continue
            path.pop()
            if low[node] == visit[node]:  # nothing earlier can be reached: its component is all that is open after it
                member = -1
                while member != node:
                    member = open_nodes.pop()
                    component[member] = count
                    visit[member] = closed
                count += 1
            if not path:
                break
            low[path[-1]] = min(low[path[-1]], low[node])
            node = path[-1]
    return np.array(component, dtype=np.int64)
