"""A transition is one structured K×K matrix per batch element, time step and head.

Shapes: ``...`` leading axes (``B T H`` in a recurrence) · K state rows · V state columns · R reflectors or rank.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.utils import _pytree as pytree


class Transition(ABC):
    """The matrices A_t of S_t = A_t S_{t-1} + W_t, described by a few tensors.

    A structure never pretends to be a tensor; it knows how to act on a state and how to say the same matrix in a more
    general structure. Everything else (``dense``, indexing, ``@``, ``mT``) follows from that.

    Leading axes are free; :func:`lrnn.recurrence` wants ``[B, T, H]``. Indexing acts on the leading axes, so
    ``A[:, t]`` is the matrix of step t and ``A[:, 3:7]`` a piece of the word.
    """

    closed: ClassVar[bool] = False
    """Is the product of two of them of the same type and size? Then a parallel scan applies."""

    parts: ClassVar[tuple[str, ...]] = ()
    """The fields that hold a tensor, a transition or None; asking ``fields`` takes the host as long as a launch."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = (name for name, kind in cls.__annotations__.items() if _holds_tensors(kind))
        cls.parts = (*cls.parts, *(name for name in own if name not in cls.parts))
        pytree.register_pytree_node(cls, _flatten, lambda leaves, context: _unflatten(cls, leaves, context))

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """``(*leading, K)``."""

    @abstractmethod
    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        """A S for every leading index; the leading axes of both broadcast."""

    def advance(
        self, state: Shaped[Tensor, "... K V"], k: Shaped[Tensor, "... K"], v: Shaped[Tensor, "... V"]
    ) -> Shaped[Tensor, "... K V"]:
        """One step of the recurrence, A S + k vᵀ."""
        return self.apply(state) + k[..., :, None] * v[..., None, :]

    @abstractmethod
    def widen(self) -> Transition:
        """The same matrices, exactly, one structure up; ``Dense`` is the top and returns itself."""

    def multiply(self, right: Self) -> Transition:
        """``self @ right`` for two of one type; only called when the types agree."""
        return self.widen() @ right.widen()

    def transpose(self) -> Transition:
        """The transposed matrices."""
        return self.widen().mT

    @property
    def mT(self) -> Transition:
        """The transposed matrices, in the smallest structure that holds them."""
        return self.transpose()

    def __matmul__(self, right: Transition) -> Transition:
        """The matrix products A_t B_t, in the smallest structure of ours that holds them exactly."""
        if not isinstance(right, Transition):
            return NotImplemented
        lefts, rights = self.widenings(), {type(wider): wider for wider in right.widenings()}
        left = next(wider for wider in lefts if type(wider) in rights)
        return left.multiply(rights[type(left)])  # type: ignore[arg-type]

    def widenings(self) -> list[Transition]:
        """This structure and every wider one, up to ``Dense``."""
        chain: list[Transition] = [self]
        while (wider := chain[-1].widen()) is not chain[-1]:
            chain.append(wider)
        return chain

    def dense(self) -> Shaped[Tensor, "... K K"]:
        """The matrices written out.

        >>> from lrnn import Householder
        >>> Householder(k=torch.tensor([[1.0, 0.0]]), beta=torch.tensor([2.0])).dense()
        tensor([[-1.,  0.],
                [ 0.,  1.]])
        """
        identity = torch.eye(self.shape[-1], dtype=self.dtype, device=self.device)
        return self.apply(identity.expand(*self.shape, self.shape[-1]))

    @property
    def leading(self) -> tuple[int, ...]:
        """The leading axes, ``(B, T, H)`` in a recurrence."""
        return self.shape[:-1]

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that describe the matrices, by field name, nested structures flattened with a dot."""
        found: dict[str, Tensor] = {}
        for part in self.parts:
            value = getattr(self, part)
            if isinstance(value, Tensor):
                found[part] = value
            elif value is not None and isinstance(value, Transition):
                for name, tensor in value.tensors().items():
                    found[f"{part}.{name}"] = tensor
        return found

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the matrices."""
        result = torch.bool
        for tensor in self.tensors().values():
            if tensor.is_floating_point() or tensor.is_complex():
                result = torch.promote_types(result, tensor.dtype)
        # torch has no complex bfloat16, and its complex float16 does next to nothing
        return torch.promote_types(result, torch.complex64) if self.complex else result

    @property
    def complex(self) -> bool:
        """Are the matrices complex although their tensors may be real?"""
        return any(tensor.is_complex() for tensor in self.tensors().values())

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return getattr(self, self.parts[0]).device

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A copy with ``function(tensor)`` in place of every tensor."""
        changed: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changed[field.name] = function(value)
            elif isinstance(value, Transition):
                changed[field.name] = value.map(function)
        return replace(self, **changed)  # type: ignore[type-var]

    def unbind(self, axis: int) -> list[Self]:
        """One structure per index of a leading axis."""
        parts = {name: tensor.unbind(axis) for name, tensor in self.tensors().items()}
        return [self._with({name: part[i] for name, part in parts.items()}) for i in range(self.leading[axis])]

    def _with(self, tensors: dict[str, Tensor], prefix: str = "") -> Self:
        # the inverse of tensors(), without validating again
        values, context = _flatten(self)
        leaves = [
            value._with(tensors, f"{prefix}{name}.") if isinstance(value, Transition) else tensors[prefix + name]
            for name, value in zip(context[0], values)
        ]
        return _unflatten(type(self), leaves, context)  # type: ignore[return-value]

    def __getitem__(self, index: Any) -> Self:
        """Index the leading axes as if this were a tensor of shape ``leading``."""
        steps = index if isinstance(index, tuple) else (index,)
        if Ellipsis in steps:
            raise IndexError(f"a transition is indexed on its leading axes {self.leading} without '...', got {index!r}")
        used = sum(step is not None for step in steps)
        if used > len(self.leading):
            raise IndexError(
                f"a transition with leading axes {self.leading} takes at most {len(self.leading)} indices, got {used}"
            )
        return self.map(lambda tensor: tensor[steps])

    def to(self, dtype: torch.dtype) -> Self:
        """A copy in the real ``dtype``, complex tensors in its complex counterpart; index tensors stay."""

        def cast(tensor: Tensor) -> Tensor:
            if tensor.is_complex():
                return tensor.to(torch.promote_types(dtype, torch.complex64))
            return tensor.to(dtype) if tensor.is_floating_point() else tensor

        return self.map(cast)


def _holds_tensors(kind: Any) -> bool:
    """Is this the annotation of a field that is no size, no switch and no constant of the class?"""
    return kind not in ("int", "bool") and not str(kind).startswith("ClassVar")


Context = tuple[tuple[str, ...], tuple[tuple[str, Any], ...]]
"""The names of the fields that hold tensors or transitions, and the other fields: sizes, switches, what is absent."""


def _flatten(transition: Transition) -> tuple[list[Any], Context]:
    # vmap wants an axis for every leaf, so only what has axes is one; by field and not by value, because torch also
    # flattens trees in which integers stand for the tensors
    values = {field: getattr(transition, field.name) for field in fields(transition)}  # type: ignore[arg-type]
    fixed = {field.name: value for field, value in values.items() if value is None or not _holds_tensors(field.type)}
    leaves = {field.name: value for field, value in values.items() if field.name not in fixed}
    return list(leaves.values()), (tuple(leaves), tuple(fixed.items()))


def _unflatten(cls: type[Transition], leaves: Any, context: Context) -> Transition:
    # vmap and export rebuild structures around place-holders, so nothing is validated here
    names, fixed = context
    transition = object.__new__(cls)
    for name, leaf in (*zip(names, leaves, strict=True), *fixed):
        object.__setattr__(transition, name, leaf)
    return transition


def require(*faults: str | None) -> None:
    """Raise one ``ValueError`` that lists every fault that is not None."""
    found = [fault for fault in faults if fault]
    if found:
        raise ValueError("; ".join(found))


def shape_fault(name: str, tensor: Tensor | None, shape: tuple[int, ...], why: str) -> str | None:
    """What is wrong with the shape of an optional tensor, in words."""
    if tensor is None or tensor.shape == shape:
        return None
    return f"{name} has shape {tuple(tensor.shape)}, wanted {shape} ({why})"
