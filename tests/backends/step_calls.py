"""Calls of the fused step: every form of the transition, with the structure that says the same to the reference."""

from dataclasses import replace

import torch
from torch import Tensor

from lrnn import DPLR, ComplexDiagonal, Diagonal, Householder, Scalar, Sequential, Transition, recurrence
from lrnn.backends.triton.step import step

FORMS = (
    "delta rule",
    "two reflectors",
    "gated, separate keys",
    "diagonal and signs, normalized",
    "scalar",
    "signed scalar",
    "diagonal",
    "signed diagonal",
    "no decay",
    "rank 2",
    "rank 1 and signs",
    "complex",
    "complex keys, real decay",
)


class Call:
    """Arguments of `step`, random and decided by the seed; `A` is their transition for the reference.

    Keys and queries have `groups` heads in `options` and all heads in the call of the reference.
    """

    def __init__(
        self,
        form: str,
        N: int = 2,
        T: int = 1,
        H: int = 2,
        K: int = 6,
        V: int = 5,
        groups: int | None = None,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        G, R = groups or H, {"delta rule": 1, "rank 1 and signs": 1}.get(form, 2)
        reflecting = form in FORMS[:4]
        axis = (R,) if reflecting else ()
        complex_keys = form in FORMS[-2:]
        self.q = self.normal(N, T, G, K, dtype=dtype)
        self.k = self.normal(N, T, G, *axis, K, dtype=torch.complex64 if complex_keys else dtype)
        self.v = self.normal(N, T, H, *axis, V, dtype=dtype)
        self.state = self.normal(N, H, K, V, dtype=torch.complex64 if complex_keys else torch.float32)
        self.options: dict = {}

        per_row = "diagonal" in form or form in ("rank 1 and signs", "complex", "complex keys, real decay")
        decay: Transition | None = None
        shape = (N, T, H, K) if per_row else (N, T, H)
        if form not in ("delta rule", "two reflectors", "no decay"):
            log_decay = -self.uniform(*shape)
            self.options["log_decay"] = log_decay
            if "sign" in form:
                sign = (self.uniform(*shape) * 3).floor() - 1
                self.options["sign"] = sign
            sign = self.options.get("sign")
            decay = Diagonal(log_decay=log_decay, sign=sign) if per_row else None
            decay = decay or Scalar(log_decay=log_decay, sign=sign, size=K)
        if form == "complex":
            self.options["phase"] = 9 * self.normal(*shape)
            decay = ComplexDiagonal(log_decay=log_decay, phase=self.options["phase"])
        if reflecting:
            self.options |= {"beta": 2 * self.uniform(N, T, H, R), "normalize": "normalized" in form}
            reflector = self.k
            if "separate" in form:
                reflector = self.options["reflector"] = self.normal(N, T, G, R, K, dtype=dtype)
            if not self.options["normalize"]:
                reflector /= reflector.norm(dim=-1, keepdim=True)
            self.A: Transition = Householder(
                k=self.spread(reflector),
                beta=self.options["beta"],
                decay=decay,  # type: ignore[arg-type]
                normalize=self.options["normalize"],
            )
        elif "rank" in form:
            a, b = self.normal(N, T, G, R, K, dtype=dtype) / K, self.normal(N, T, G, R, K, dtype=dtype)
            self.options |= {"a": a, "b": b}
            self.A = DPLR(decay=decay, a=self.spread(a), b=self.spread(b))  # type: ignore[arg-type]
        else:
            self.A = decay or Scalar(log_decay=torch.zeros(N, T, H), size=K)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        wide = dtype if dtype.is_complex else torch.float32
        return torch.randn(*shape, generator=self.generator, dtype=wide).to(dtype)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator)

    def spread(self, keys: Tensor) -> Tensor:
        """One key per head."""
        G, H = keys.shape[2], self.state.shape[1]
        return keys if G == H else keys.repeat_interleave(H // G, dim=2)

    def run(self, state: Tensor | None = None, **options) -> tuple[Tensor, Tensor]:
        return step(self.q, self.k, self.v, self.state if state is None else state, **self.options, **options)

    def truth(self) -> tuple[Tensor, Tensor]:
        """The same by the definition, in double precision on the same rounded inputs."""

        def exact(x: Tensor) -> Tensor:
            return x.to(torch.promote_types(x.dtype, torch.float64))

        A = replace(self.A, k=exact(self.A.k)) if isinstance(self.A, Householder) else self.A
        k, q = exact(self.spread(self.k)), exact(self.spread(self.q))
        return recurrence(A.map(exact), k, exact(self.v), q, state=exact(self.state), algorithm=Sequential())
