"""The run-time type checker that the import hook of conftest.py puts on every function of lrnn."""

from typing import Any, Self

from beartype import BeartypeConf, FrozenDict, beartype

check = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # an int is a float
        hint_overrides=FrozenDict({Self: Any}),  # functions are decorated one by one, so the class is not known
    )
)
