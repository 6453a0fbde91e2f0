"""One layer for a machine that is made of permutation–reset automata side by side.

Shapes: Q states · A letters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrnn.automata import Machine
from lrnn.compiler.draft import Draft, Layer, Units, head
from lrnn.compiler.heads import Heads
from lrnn.compiler.parts import Part
from lrnn.compiler.stream import Stream, code, one_hot


def side_by_side(machine: Machine, parts: Sequence[Part], heads: Heads) -> Draft:
    """The mixer moves the parts and reads their states; one unit of the MLP per state of the machine names the label.

    The state is read after the letter, so nothing is late and one layer does.
    """
    num_letters = len(machine.alphabet)
    states, labels = heads.code(parts, machine.num_states), code(machine.num_labels)
    stream = Stream({"action": num_letters, "state": states.shape[1], "label": labels.shape[1]})
    embedding = stream.empty(num_letters)
    embedding[:, stream.at("action")] = one_hot(num_letters)
    mixer, options = heads.mixer(delayed=False)
    layer = Layer(heads.weights(parts, num_letters, stream, False), _units(machine, stream, states, labels))
    tables = " × ".join(str(len(part.table)) for part in parts for _ in part.starts) or "1"
    return Draft(
        stream.dim,
        mixer,
        options,
        embedding,
        (layer,),
        head(stream, labels),
        "integer",
        f"one layer, {heads.summary}, states {tables}",
    )


def _units(machine: Machine, stream: Stream, states: np.ndarray, labels: np.ndarray) -> Units:
    wanted, change = stream.zeros(machine.num_states), stream.zeros(machine.num_states)
    wanted[:, stream.at("state")] = states
    change[:, stream.at("label")] = labels[machine.labels] + 1
    return Units.when(stream, wanted, change)
