"""Looks at the machine code of Hopper for a fault of its assembler."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

State = frozenset[str]
"""Registers, and words of the stack, that hold no number known when compiling."""


def lost(cubin: bytes) -> list[str]:
    """Products that read a factor through a descriptor which is not the one that the program made.

    A descriptor is 64 bits: where in shared memory the factor is, and above that how it lies there, which is known when
    compiling. ptxas 12.8 sometimes adds to another register than the one that holds the first of them, in both halves,
    where the layout has its highest bit set (rows of 64 or 32 bytes) and registers are few. The product then reads
    anything, or faults. Hence in the upper half only what comes from constants is right.
    """
    from triton import knobs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        command = [knobs.nvidia.nvdisasm.path, "-c", str(path)]
        return lost_in(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def lost_in(text: str) -> list[str]:
    """:func:`lost`, from the text of the machine code."""
    code, places = _parse(text)
    if not any(step.name.startswith("HGMMA") for step in code):
        return []
    known: list[State | None] = [None] * len(code)
    known[0] = frozenset([*(f"{kind}{n}" for kind in ("R", "UR") for n in range(256)), *_stack(code)])
    work = [0]
    while work:
        at = work.pop()
        before = known[at]
        assert before is not None
        after = code[at].after(before)
        for following in code[at].following(at, places, len(code)):
            seen = known[following]
            if seen is None or not after <= seen:
                known[following] = after if seen is None else after | seen
                work.append(following)
    return [step.text for step, state in zip(code, known) if state is not None and step.uppers() & state]


@dataclass
class Step:
    """One instruction."""

    text: str
    predicate: str | None
    name: str
    operands: list[str] = field(default_factory=list)

    def uppers(self) -> set[str]:
        """The upper halves of a product's descriptors; where the left factor is in registers it has none."""
        found = re.search(r"gdesc\[UR(\d+)\]", self.text) if self.name.startswith("HGMMA") else None
        if found is None:
            return set()
        first = int(found[1])
        return {f"UR{first + 3}"} | (set() if self.operands[1].startswith("R") else {f"UR{first + 1}"})

    def following(self, at: int, places: dict[str, int], count: int) -> list[int]:
        jump = re.search(r"\.L_x_\d+", self.text) if self.name == "BRA" else None
        found = [places[jump[0]]] if jump else []
        always = self.predicate is None and len(self.operands) <= 1
        ends = (always and self.name in ("BRA", "EXIT")) or at + 1 == count
        return found if ends else [*found, at + 1]

    def after(self, state: State) -> State:
        """What is unknown behind it. A register that is written only sometimes stays unknown if it was."""
        writes = self._writes(state)
        kept = state if self.predicate else state - writes.keys()
        return kept | {name for name, unknown in writes.items() if unknown}

    def _writes(self, state: State) -> dict[str, bool]:
        """What is written, and whether that is unknown."""
        if self.name.startswith(("STL", "LDL")):
            slots = _words(self.operands[0 if self.name.startswith("STL") else 1], self._width())
            register = self.operands[1 if self.name.startswith("STL") else 0]
            registers = _registers(register, self._width())
            if self.name.startswith("STL"):
                return {slot: name in state for slot, name in zip(slots, registers)}
            return {name: slot in state for slot, name in zip(slots, registers)}
        rest = [x for x in self.operands if not re.fullmatch(r"!?U?P[T\d]", x)]  # a carry is no part of the number
        if not rest or not re.fullmatch(r"U?R\d+", rest[0]) or self.name.startswith(("ST", "RED")):
            return {}
        to, given = rest[0], rest[1:]
        if self.name == "SWAP":
            return {to: other in state for to, other in (self.operands, reversed(self.operands))}
        if self.name == "UIADD3.64":  # half by half
            halves = [[_registers(x, 2)[half] for x in given if re.match(r"-?UR\d", x)] for half in (0, 1)]
            return {name: any(x in state for x in xs) for name, xs in zip(_registers(to, 2), halves)}
        if self.name.startswith("CS2R"):
            return dict.fromkeys(_registers(to, 2), False)
        numbers = self.name.startswith(
            ("MOV", "UMOV", "R2UR", "IMAD", "UIMAD", "IADD3", "UIADD3", "VIADD", "SEL", "USEL")
        )
        known = numbers and "WIDE" not in self.name and not any("[" in x for x in given)
        unknown = not known or any(name in state for x in given for name in re.findall(r"U?R\d+", x))
        return dict.fromkeys(_registers(to, self._width()), unknown)

    def _width(self) -> int:
        """Registers of its result, at least."""
        if self.name.startswith("HGMMA"):
            return int(self.name.split("x")[1]) // 2
        if re.search(r"\.128\b|M88\.4|^HMMA", self.name):
            return 4
        return 2 if re.search(r"\.64\b|WIDE|^D[A-Z]|F64\.|88\.2", self.name) else 1


def _parse(text: str) -> tuple[list[Step], dict[str, int]]:
    """The instructions, and where labels lead."""
    code: list[Step] = []
    places: dict[str, int] = {}
    for line in text.splitlines():
        label = re.match(r"(\.L_x_\d+):", line)
        if label:
            places[label[1]] = len(code)
        found = re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][\w.]*)\s*(.*?)\s*;", line)
        if found:
            operands = re.split(r"\s*,\s*(?![^\[]*\])", found[3].replace(".reuse", "")) if found[3] else []
            code.append(Step(f"{found[2]} {found[3]}", found[1], found[2], operands))
    _find_swaps(code)
    return code, places


def _find_swaps(code: list[Step]) -> None:
    """Two registers change places by x ^= y, y ^= x, x ^= y; here the last of the three does all."""
    halves: dict[frozenset[str], list[Step]] = {}
    for step in code:
        if step.name in ("LOP3.LUT", "ULOP3.LUT") and len(step.operands) > 4 and step.operands[4] == "0x3c":
            to, *pair = step.operands[:3]
            if to in pair and len({*pair}) == 2:
                steps = halves.setdefault(frozenset(pair), [])
                steps.append(step)
                if len(steps) == 3 and steps[0].operands[0] == to != steps[1].operands[0]:
                    step.name, step.operands = "SWAP", [to, steps[1].operands[0]]
                    for other in steps[:2]:
                        other.name, other.operands = "NOP", []
                    steps.clear()


def _registers(name: str, width: int) -> list[str]:
    """A register and those behind it."""
    found = re.match(r"-?(U?R)(\d+)", name)
    return [f"{found[1]}{int(found[2]) + n}" for n in range(width)] if found else ["RZ"] * width


def _words(address: str, width: int) -> list[str]:
    """The words of the stack at an address such as ``[R1+0x10]``."""
    found = re.search(r"\+(0x[0-9a-f]+)", address)
    first = int(found[1], 16) if found else 0
    return [f"stack {first + 4 * n}" for n in range(width)]


def _stack(code: list[Step]) -> set[str]:
    """All words of the stack that are looked at."""
    return {word for step in code if step.name.startswith("LDL") for word in _words(step.operands[1], step._width())}
