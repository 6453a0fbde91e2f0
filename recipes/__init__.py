"""One Python function per study; it returns the whole setting, and variants call it and change a field."""

from collections.abc import Callable

from lrnn.train import Study
from lrnn.train.parity import parity
from recipes.word_problems import s3, s4

RECIPES: dict[str, Callable[[], Study]] = {"parity": parity, "s3": s3, "s4": s4}
"""Name to the function that makes the study."""

__all__ = ["RECIPES", "parity", "s3", "s4"]
