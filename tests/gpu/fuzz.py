"""Random calls of the kernels against the reference in float64: shapes × dtypes × structures × packings × edge values.

    python -m tests.gpu.fuzz --output runs/fuzz.json     all cases, in several processes; the file says what was found
    python -m tests.gpu.fuzz --only 17                   one case, with every error

A process takes whole families of cases, which share what must be compiled. Every case has its own seed, its number.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lrnn import Chunked, Packing, Transition
from tests.backends.kernel_calls import DEVICE, SERVED, allowed, on_kernels, terms
from tests.calls import Call, call, error, results, weighed
from tests.poison import poison

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

SIZES = [(16, 16), (24, 40), (64, 64), (128, 128), (61, 130), (6, 3), (100, 20)]
"""K and V; each pair is compiled anew, so there are few."""

COMPLEX_SIZES = [(16, 16), (61, 20), (64, 100)]

EDGES = ["none", "none", "beta 0", "beta 1", "beta 2", "decay 0", "decay -30", "no writes"]

GROWING = 65
"""Letters of a word where I + Σ a bᵀ does not decay, and what it grows to may be too large for float16."""

VECTORS = [name for name in SERVED if "diagonal" in name and not name.startswith(("householder", "dplr"))]


@dataclass(frozen=True)
class Case:
    """One random call."""

    number: int
    structure: str
    dtype: str
    B: int
    T: int
    H: int
    K: int
    V: int
    lengths: tuple[int, ...] | None
    groups: int
    """Heads to a key."""
    edge: str
    state: bool
    wide_decay: bool
    """Are decays and strengths float32 beside narrow keys, as layers have them?"""
    steps: bool
    """Without gradients, so that few steps are taken by the kernel for steps."""
    weighed: bool
    """Are writes multiplied by strengths?"""
    seed: int


def cases(scale: float = 1.0) -> list[Case]:
    """All cases, those of one family next to each other; ``scale`` shortens the words, for a machine without a GPU."""
    found: list[Case] = []
    for place, structure in enumerate(SERVED):
        sizes = COMPLEX_SIZES if "complex" in structure else SIZES
        for turn, dtype in enumerate(DTYPES):
            for shift in (0, 1):
                K, V = sizes[(place + turn + 3 * shift) % len(sizes)]
                for draw in range(4):
                    found.append(_case(len(found), structure, dtype, K, V, draw, scale))
            if structure in VECTORS:
                for draw in range(3):
                    found.append(_case(len(found), structure, dtype, (16, 4, 33)[turn], 1, draw, scale))
    return found


def _case(number: int, structure: str, dtype: str, K: int, V: int, draw: int, scale: float) -> Case:
    """The first two draws are words longer than a chunk, then packed words, then few steps."""
    r = random.Random(number)
    lengths = None
    T = r.choice((65, 128, 130, 200, 333, 512, 1025))  # full chunks have kernels of their own
    if draw == 2:
        lengths = tuple(
            max(1, int(scale * r.choice((1, 1, 2, 7, 31, 64, 65, 130, 300)))) for _ in range(r.randint(1, 6))
        )
        T = sum(lengths)
    elif draw == 3:
        T = r.choice((1, 1, 2, 3, 5, 8))
    if lengths is None and draw < 2:
        T = max(1, int(scale * T))
    H = r.choice((1, 2, 3, 4))
    edge, state_given, wide, steps = r.choice(EDGES), r.random() < 0.75, r.random() < 0.5, r.random() < 0.7
    if structure.startswith("dplr") and edge == "decay 0" and dtype == "float16":
        T, lengths = min(T, GROWING), lengths and tuple(min(length, GROWING) for length in lengths)
        T = sum(lengths) if lengths else T
    grouped = H > 1 and not structure.startswith("householder") and r.random() < 0.4
    B = 1 if lengths else r.choice((1, 2, 3))
    groups = r.choice([n for n in range(2, H + 1) if H % n == 0]) if grouped else 1
    narrow = dtype != "float32" and not structure.startswith("scalar")  # for which the product is rounded
    return Case(
        number=number,
        structure=structure,
        dtype=dtype,
        B=B,
        T=T,
        H=H,
        K=K,
        V=V,
        lengths=lengths,
        groups=groups,
        edge=edge,
        state=state_given,
        wide_decay=wide,
        steps=draw == 3 and steps,
        weighed=not narrow and r.random() < (0.5 if structure.startswith("scalar") else 0.1),
        seed=number,
    )


def build(case: Case) -> Call:
    """The arguments of a case, rounded to its dtype, on the device."""
    rows = None if case.lengths is None else len(case.lengths)
    of = call(case.structure, (case.B, case.T, case.H, case.K, case.V), case.seed, rows=rows, state=case.state)
    tensors = of.A.tensors()
    kind, _, value = case.edge.partition(" ")
    for name, tensor in tensors.items():
        field = name.rpartition(".")[2]
        if (kind == "beta" and field == "beta") or (kind == "decay" and field == "log_decay"):
            tensors[name] = torch.full_like(tensor, float(value))
    of = replace(of, A=of.A._with(tensors))
    if of.delta:
        of = replace(of, k=of.A.k)  # type: ignore[attr-defined]
    if kind == "no":
        of = replace(of, v=torch.zeros_like(of.v))
    if case.groups > 1:
        of = replace(of, k=of.k[:, :, :: case.groups], q=of.q[:, :, :: case.groups])
    of = weighed(of, case.seed) if case.weighed else of
    exact, strength = of.to(torch.float32).A.tensors(), of.to(torch.float32).strength
    narrow = of.to(DTYPES[case.dtype])
    if case.wide_decay:
        narrow = replace(narrow, A=_with_wide_decay(narrow.A, exact), strength=strength)
        if narrow.delta:
            narrow = replace(narrow, k=narrow.A.k)  # type: ignore[attr-defined]
    return narrow.map(lambda x: x.to(DEVICE))


def _with_wide_decay(A: Transition, exact: dict[str, Tensor]) -> Transition:
    """The same transition with decays, phases and strengths in float32."""
    keys = ("k", "a", "b")
    return A._with({name: x if name in keys else exact[name] for name, x in A.tensors().items()})


def run_case(case: Case) -> dict[str, Any]:
    """The errors of a case, and which of them are faults."""
    of, dtype = build(case), DTYPES[case.dtype]
    packing = None if case.lengths is None else Packing(case.lengths)

    def without_gradients(of: Call, **options: Any) -> dict[str, Tensor]:
        with torch.no_grad():
            y, state = of.run(packing=packing, **options)
        return {"y": y, "last state": state}

    def kernels() -> dict[str, Tensor]:
        if case.steps:
            return without_gradients(of, backend="triton")
        return results(of, lambda of: on_kernels(of, packing=packing))

    exact = of.to(torch.float64)
    if case.steps:
        want = without_gradients(exact, backend="reference")
    else:
        want = results(exact, lambda of: of.run(packing=packing, backend="reference", algorithm=Chunked(32)))
    got = kernels()
    errors, faults = {}, []
    for name, tensor in want.items():
        off, limit = error(got[name], tensor), allowed(name, dtype, case.T)
        tiny = off * tensor.norm().item() < tensor.numel() ** 0.5 * torch.finfo(dtype).smallest_normal
        off *= min(1.0, tensor.norm().item() / (terms(name, exact, want, packing) or 1e-300))
        errors[name] = 0.0 if tiny else off
        if not tiny and off > limit:
            faults.append(f"{name}: {off:.1e} > {limit:.1e}")
    if case.number % 8 == 0:
        again = kernels()
        faults += [f"{name} differs from run to run" for name in got if not torch.equal(got[name], again[name])]
    return {"errors": errors, "faults": faults}


def run_cases(chosen: list[Case], seconds: float = math.inf) -> Iterator[dict[str, Any]]:
    """One line per case, whatever happens in it; none is begun after so many seconds."""
    start = time.perf_counter()
    poison()
    for case in chosen:
        if time.perf_counter() - start > seconds:
            return
        try:
            found = run_case(case)
        except Exception as exception:  # a fault of the case like any other, and the others must run
            lines = [line for line in str(exception).splitlines() if line] or [""]
            found = {"errors": {}, "faults": [f"{type(exception).__name__}: {lines[0][:200]} … {lines[-1][:200]}"]}
        yield {"case": asdict(case)} | found


def fuzz(processes: int | None = None, scale: float = 1.0, every: int = 1, seconds: float = math.inf) -> dict[str, Any]:
    """All cases, or every n-th, in several processes; what ``benchmarks`` keeps of them.

    Arguments:
        seconds: no case is begun later, and how many were not is ``left_out``.
    """
    start = time.perf_counter()
    count = len(cases(scale)[::every])
    processes = processes or max(1, min(14, (os.cpu_count() or 2) - 2))
    command = [sys.executable, "-m", "tests.gpu.fuzz", "--scale", str(scale), "--every", str(every)]
    command += ["--seconds", str(seconds)]
    root = Path(__file__).parents[2]
    children = [
        subprocess.Popen([*command, "--part", f"{n}/{processes}"], cwd=root, stdout=subprocess.PIPE, text=True)
        for n in range(processes)
    ]
    lines = [json.loads(line) for child in children for line in child.communicate()[0].splitlines()]
    worst: dict[str, dict[str, float]] = {dtype: {} for dtype in DTYPES}
    for line in lines:
        kept = worst[line["case"]["dtype"]]
        for name, off in line["errors"].items():
            name = name if not name.startswith("d ") else "gradients"
            kept[name] = max(kept.get(name, 0.0), off)
    failures = [{"case": line["case"], "faults": line["faults"]} for line in lines if line["faults"]]
    failures += [{"case": None, "faults": [f"a process ended with {c.returncode}"]} for c in children if c.returncode]
    if len(lines) != count and seconds == math.inf:
        failures.append({"case": None, "faults": [f"{len(lines)} of {count} cases came back"]})
    return {
        "benchmark": "fuzz",
        "cases": len(lines),
        "left_out": count - len(lines),
        "failures": failures,
        "seconds": round(time.perf_counter() - start, 1),
        "worst": worst,
    }


def families(chosen: list[Case], part: int, parts: int) -> list[Case]:
    """The cases of every ``parts``-th family, those that share structure, dtype, K and V; the families in any order, so
    that what is left out for lack of time is a bit of everything."""
    found: dict[Any, list[Case]] = {}
    for case in chosen:
        found.setdefault((case.structure, case.dtype, case.K, case.V), []).append(case)
    mine = list(found.values())[part::parts]
    random.Random(part).shuffle(mine)
    return [case for family in mine for case in family]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, help="write what was found to this file")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--every", type=int, default=1, help="only every n-th case")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no case after so many")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of cases to run here")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    chosen = cases(given.scale)[:: given.every]
    if given.only is not None or given.part is not None:
        part, parts = (0, 1) if given.part is None else map(int, given.part.split("/"))
        mine = families(chosen, part, parts) if given.only is None else [cases(given.scale)[n] for n in given.only]
        for line in run_cases(mine, given.seconds):
            print(json.dumps(line), flush=True)
        os._exit(0)  # threads of torch's backward can abort a process that winds down (pytorch issue 38230)
    found = fuzz(given.processes, given.scale, given.every, given.seconds)
    if given.output is not None:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(json.dumps(found, indent=1) + "\n")
    for failure in found["failures"][:30]:
        case = failure["case"] or {}
        print(case.get("number"), case.get("structure"), case.get("dtype"), "; ".join(failure["faults"])[:300])
    count = f"{found['cases']} cases, {found['left_out']} left out, {len(found['failures'])} failures"
    print(f"{count}, {found['seconds']} s; worst {found['worst']}")
    sys.exit(1 if found["failures"] else 0)


if __name__ == "__main__":
    main()
