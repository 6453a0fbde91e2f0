"""What a language is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lrnn.automata.group_identity import GroupIdentity
from lrnn.explain.groups import Groups
from lrnn.explain.subject import Subject


@dataclass(frozen=True)
class Facts:
    """The numbers of a language; None for what is not known because a cap was reached.

    Arguments:
        letters: of the alphabet.
        states: of the minimal machine that is asked after every letter.
        elements: of its syntactic monoid.
        unknown: why the elements are not known, or empty.
        j_classes: of the monoid.
        idempotents: of the monoid.
        star_free: has it no groups?
        groups: the nontrivial groups in it, one of each kind: every simple group that divides the monoid divides one.
        is_group: is the monoid a group?
        levels: of the cascade of permutations and resets.
    """

    letters: int
    states: int
    elements: int | None
    unknown: str
    j_classes: int | None
    idempotents: int | None
    star_free: bool | None
    groups: tuple[GroupIdentity, ...] | None
    is_group: bool
    levels: int | None

    def lines(self) -> list[tuple[str, str]]:
        """Name and value, for people."""
        star_free = "unknown" if self.star_free is None else "yes" if self.star_free else "no"
        monoid = f"unknown: {self.unknown}" if self.unknown else f"{self.elements:,} elements"
        rows = [
            ("states", f"{self.states}, with {self.letters} letter{'s' if self.letters != 1 else ''}"),
            ("monoid", "1 element" if self.elements == 1 else monoid),
        ]
        if self.j_classes is not None:
            classes = "1 J-class" if self.j_classes == 1 else f"{self.j_classes:,} J-classes"
            rows.append(("", classes + f", {self.idempotents:,} idempotent{'s' if self.idempotents != 1 else ''}"))
        rows.append(("star-free", star_free))
        if self.groups:
            rows += [("group" if not i else "", described(group)) for i, group in enumerate(self.groups)]
        if self.levels is not None:
            rows.append(("Krohn-Rhodes", f"{self.levels} level{'s' if self.levels != 1 else ''}"))
        return rows

    def to_json(self) -> dict[str, Any]:
        """Everything, in values that JSON has."""
        return asdict(self)


def facts_of(subject: Subject, groups: Groups | None) -> Facts:
    """Count what the subject holds."""
    elements = j_classes = idempotents = None
    if subject.is_group:
        elements = subject.units[0].order if subject.units is not None else None
        j_classes = idempotents = 1
        levels = None if elements is None else int(elements > 1)
    else:
        monoid = subject.monoid
        if monoid is not None and subject.green is not None:
            elements, idempotents, j_classes = monoid.num_elements, len(monoid.idempotents), subject.green.num_j
        levels = len(subject.cascade.levels) if subject.cascade is not None else None
    return Facts(
        letters=len(subject.alphabet),
        states=subject.machine.num_states,
        elements=elements,
        unknown=subject.unknown,
        j_classes=j_classes,
        idempotents=idempotents,
        star_free=None if groups is None else not groups.identities,
        groups=None if groups is None else groups.identities,
        is_group=subject.is_group,
        levels=levels,
    )


def described(group: GroupIdentity) -> str:
    """A group in words.

    >>> described(GroupIdentity("S4", 24, False, True, 3, 12))
    'S4: 24 elements, solvable in 3 steps'
    """
    kind = "abelian" if group.abelian else f"solvable in {group.derived_length} steps"
    return f"{group.name}: {group.order:,} elements, {kind if group.solvable else 'not solvable'}"
