"""Which parameter is moved by which rule, and how much it decays."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from lrnn.models import LanguageModel
from lrnn.train.config import TrainConfig
from lrnn.train.muon import Muon


def decays(module: nn.Module, parameter: Tensor) -> bool:
    """Does weight decay apply to a parameter of `module`?

    Only to matrices (two axes or more) that the mixer has not marked with `no_weight_decay = True` and that are not
    an embedding: decay of a transition's parameters pulls the eigenvalues somewhere, which is not a matter of norm.
    """
    marked = getattr(parameter, "no_weight_decay", False)
    return parameter.ndim >= 2 and not marked and not isinstance(module, nn.Embedding)


def hidden_matrices(model: LanguageModel) -> set[Tensor]:
    """What Muon moves: the 2-D weights of linear maps that may decay, but neither embedding nor head."""
    linear = (module for module in model.modules() if isinstance(module, nn.Linear) and module is not model.head)
    return {m.weight for m in linear if m.weight.ndim == 2 and decays(m, m.weight)}


def build_optimizers(model: LanguageModel, config: TrainConfig) -> list[Optimizer]:
    """AdamW with one decaying and one plain group; before it Muon if the config asks for it.

    Every parameter with `requires_grad` is in exactly one group. Each group remembers its peak learning rate under
    `peak_lr`, which the schedule multiplies.
    """
    muon = hidden_matrices(model) if config.optimizer == "muon" else set()
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    seen: set[nn.Parameter] = set()
    matrices: list[nn.Parameter] = []
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter in seen or not parameter.requires_grad:
                continue
            seen.add(parameter)
            if parameter in muon:
                matrices.append(parameter)
            else:
                (decayed if decays(module, parameter) else plain).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay, "peak_lr": config.lr},
        {"params": plain, "weight_decay": 0.0, "peak_lr": config.lr},
    ]
    optimizers: list[Optimizer] = []
    if matrices:
        group = {"params": matrices, "peak_lr": config.muon_lr}
        optimizers.append(Muon([group], lr=config.muon_lr, weight_decay=config.weight_decay))
    rest = [group for group in groups if group["params"]]
    if rest:
        optimizers.append(AdamW(rest, lr=config.lr, betas=config.betas))
    return optimizers


def set_lr(optimizers: list[Optimizer], scale: float) -> None:
    """Set every group to `scale` times its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = scale * group["peak_lr"]
