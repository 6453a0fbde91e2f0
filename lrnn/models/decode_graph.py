"""A decoding step is the same work every time, so a GPU can be handed all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils._pytree import tree_leaves

from lrnn.models.language_model import LanguageModel

OPTIONS: dict[str, Any] = {}
"""Further options of the compiler, by their names in torch."""


class DecodeGraph:
    """``graph(tokens) -> logits``: one token per word, from the state of the words so far, as one CUDA graph.

    A step of a model is hundreds of small kernels, which take longer to ask for than to run. Here they are recorded
    once and asked for together. States, tokens and logits lie where they lay when the graph was recorded: the states
    are updated in place, and the logits of a call are gone after the next. On a CPU the same is done without a graph.

    Arguments:
        model: its weights are read where they lie at every step; moving them breaks the graph.
        state: what the model returned for the words so far. It is given away; :attr:`state` is what it becomes.
        compiled: let ``torch.compile`` fuse the step first, with all projections of one vector as one kernel: faster,
            minutes to build, and narrow dtypes are rounded in fewer places, so a token may differ where two are almost
            equally likely.

    Raises:
        ValueError: a state that grows with the word (attention), or of no words.

    >>> from lrnn.models import LanguageModelConfig
    >>> model = LanguageModel(LanguageModelConfig(vocab_size=5, dim=8, num_layers=1, mixer_config={"num_heads": 2}))
    >>> with torch.no_grad():
    ...     logits, state = model(torch.tensor([[1, 2, 3]]))
    >>> graph = DecodeGraph(model, state)
    >>> graph(logits[:, -1:].argmax(-1)).shape
    torch.Size([1, 1, 5])
    """

    def __init__(self, model: LanguageModel, state: tuple[Any, ...], *, compiled: bool = False) -> None:
        self.state = state
        leaves = self._leaves(state)
        if not leaves or not leaves[0].shape[0]:
            raise ValueError("a graph needs the state of at least one word: what the model returned for the prompt")
        self.tokens = torch.zeros(leaves[0].shape[0], 1, dtype=torch.int64, device=leaves[0].device)
        self._model: Callable[..., Any] = _fused(model, self.tokens.device.type) if compiled else model
        self._graph: torch.cuda.CUDAGraph | None = None
        self._logits: Tensor | None = None
        start = [leaf.clone() for leaf in leaves]
        if self.tokens.is_cuda:
            self._record(start)
        else:
            self._step()
            self._restore(start)

    def __call__(self, tokens: Int[Tensor, "B 1"]) -> Float[Tensor, "B 1 C"]:
        """The logits after these tokens; overwritten by the next call."""
        self.tokens.copy_(tokens)
        if self._graph is None:
            self._step()
        else:
            self._graph.replay()
        assert self._logits is not None
        return self._logits

    def restart(self, state: tuple[Any, ...]) -> None:
        """Go on from another state of as many words, which is copied."""
        self._restore(self._leaves(state))

    @torch.no_grad()
    def _step(self) -> None:
        self._logits, after = self._model(self.tokens, self.state, overwrite_state=True)
        self._restore(self._leaves(after))

    def _record(self, start: list[Tensor]) -> None:
        # what a first call compiles or looks up may not happen while a graph is recorded
        stream = torch.cuda.Stream(self.tokens.device)
        stream.wait_stream(torch.cuda.current_stream(self.tokens.device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._step()
            self._restore(start)
        torch.cuda.current_stream(self.tokens.device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step()

    @torch.no_grad()
    def _restore(self, leaves: list[Tensor]) -> None:
        """Put these into the memory of the state; what lies there already stays."""
        ours = self._leaves(self.state)
        if [(leaf.shape, leaf.dtype) for leaf in leaves] != [(leaf.shape, leaf.dtype) for leaf in ours]:
            raise ValueError(
                f"the state has tensors of shapes {[tuple(leaf.shape) for leaf in leaves]}, wanted "
                f"{[tuple(leaf.shape) for leaf in ours]} and the same dtypes: a graph needs a state that does not grow"
            )
        moved = [(leaf, new) for leaf, new in zip(ours, leaves) if leaf.data_ptr() != new.data_ptr()]
        if moved:  # what all layers remember besides their states, in one kernel
            torch._foreach_copy_([leaf for leaf, _ in moved], [new for _, new in moved])  # pyright: ignore[reportPrivateImportUsage]

    @staticmethod
    def _leaves(state: tuple[Any, ...]) -> list[Tensor]:
        return [leaf for leaf in tree_leaves(state) if isinstance(leaf, Tensor)]


def _fused(model: LanguageModel, device: str) -> Callable[..., Any]:
    if device != "cuda":
        return torch.compile(model, fullgraph=True, dynamic=False)
    from lrnn.models.shared_input import MergeProjections  # imports the compiler, which takes seconds

    options = {"post_grad_custom_post_pass": MergeProjections(device), **OPTIONS}
    return torch.compile(model, fullgraph=True, dynamic=False, options=options)
