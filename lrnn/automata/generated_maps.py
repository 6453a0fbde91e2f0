"""All maps that some maps of the states generate, one after another.

Shapes: M maps generated · Q states · A letters, each a map.
"""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import Int, Int64

BLOCK = 1 << 20
"""Entries of the products that are made at once; between two blocks the caps are looked at."""


class TooLarge(ValueError):
    """A cap was reached before all elements were found. ``found`` says how many there are at least."""

    def __init__(self, message: str, found: int) -> None:
        super().__init__(message)
        self.found = found


def closure(
    maps: Int[np.ndarray, "A Q"], max_elements: int, max_seconds: float
) -> tuple[Int[np.ndarray, "M Q"], Int64[np.ndarray, "M A"], dict[bytes, int]]:
    """The maps in breadth-first order, their products with the letters, and the number of each by the bytes of its row.

    Row 0 is the identity; ``right[x, a]`` is the map x, then the letter a. Whole blocks of products are made at once;
    which of them are new is asked of a dictionary, which is exact, and as fast for monoids whose levels are narrow (a
    cycle) as for wide ones.

    Raises TooLarge at a cap.
    """
    num_letters, num_states = maps.shape
    deadline = time.monotonic() + max_seconds
    step = max(1, BLOCK // maps.size)
    elements = np.empty((256, num_states), dtype=maps.dtype)
    elements[0] = np.arange(num_states)
    numbers, count, done, targets = {elements[0].tobytes(): 0}, 1, 0, []
    while done < count:
        block = elements[done : min(count, done + step)]
        done += len(block)
        products = maps[:, block].swapaxes(0, 1).reshape(-1, num_states)
        fresh = []
        for i, key in enumerate(keys(products)):
            number = numbers.get(key)
            if number is None:
                numbers[key] = number = count
                fresh.append(i)
                count += 1
            targets.append(number)
        if count > len(elements):
            elements = np.concatenate([elements, np.empty((count, num_states), dtype=maps.dtype)])
        elements[count - len(fresh) : count] = products[fresh]
        if count > max_elements:
            raise TooLarge(f"the monoid has more than {max_elements:,} elements; raise max_elements", count)
        if done < count and time.monotonic() > deadline:
            raise TooLarge(
                f"the monoid has at least {count:,} elements, found in {max_seconds:g} seconds; raise max_seconds",
                count,
            )
    right = np.array(targets, dtype=np.int64).reshape(count, num_letters)
    return elements[:count].copy(), right, numbers


def keys(rows: Int[np.ndarray, "N Q"]) -> list[bytes]:
    """The bytes of each row."""
    rows = np.ascontiguousarray(rows)
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel().tolist()


def shortest_words(right: Int64[np.ndarray, "M A"]) -> tuple[Int64[np.ndarray, "M"], Int64[np.ndarray, "M"]]:
    """Where each element was met first: coming from which, by which letter."""
    _, first = np.unique(np.append(0, right), return_index=True)  # the identity is met before all products
    shorter, last = np.divmod(np.maximum(first - 1, 0), right.shape[1])
    return shorter, last


def left_products(
    right: Int64[np.ndarray, "M A"], shorter: Int64[np.ndarray, "M"], last: Int64[np.ndarray, "M"]
) -> Int64[np.ndarray, "M A"]:
    """a·x = (a·y)·b, where x = y·b, for all elements whose shortest words are of one length at once."""
    left = np.empty_like(right)
    left[0] = right[0]
    start, end = 0, 1
    while end < len(right):
        start, end = end, int(np.searchsorted(shorter, end))  # `shorter` never falls in breadth-first order
        left[start:end] = right[left[shorter[start:end]], last[start:end, None]]
    return left
