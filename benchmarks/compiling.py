"""Every language of the table, compiled and read at full length."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import torch

from benchmarks.languages import languages
from benchmarks.outcome import Outcome, environment
from lrnn.compiler import Checks, compile, verify

COLUMNS = ("family", "language", "states", "layers", "n_h", "D", "all up to", "longest", "errors", "margin", "seconds")


def compiler(threads: int = 2, checks: Checks | None = None, only: Sequence[int] | None = None) -> Outcome:
    """Compile and verify each language: all words up to a length, and random words of up to a million letters.

    A line for each goes to standard error while it runs, for that is most of an hour. What errs is in the table.

    Arguments:
        threads: so many processes with one thread each.
        only: numbers of the languages; None is all.
    """
    numbers = range(len(languages())) if only is None else only
    rows, found = [], []
    with ProcessPoolExecutor(
        threads, multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for done, (row, facts) in enumerate(pool.map(_measure, numbers, itertools.repeat(checks)), 1):
            rows.append(row)
            found.append(facts)
            print(f"{done}/{len(numbers)}  " + "  ".join(row), file=sys.stderr, flush=True)
    errors, failed = sum(facts["errors"] for facts in found), sum(not facts["holds"] for facts in found)
    title = f"{len(rows)} languages compiled and verified: {errors} errors, {failed} certificates that do not hold"
    data = {"benchmark": "compiler", "environment": environment(), "processes": threads, "languages": found}
    return Outcome(title, COLUMNS, rows, data)


def _measure(number: int, checks: Checks | None) -> tuple[tuple[str, ...], dict]:
    entry = languages()[number]
    language, options = entry.language()
    start = time.perf_counter()
    compiled = compile(language, **options, verify=False)
    middle = time.perf_counter()
    certificate = verify(compiled, checks)
    end = time.perf_counter()
    config = compiled.model.config
    n_h = getattr(config.mixer_config, "num_householders", 1)
    longest = max((reading.length for reading in certificate.readings), default=0)
    cells = (
        *(entry.family, entry.name, compiled.machine.num_states, config.num_layers, n_h, config.dim),
        *(certificate.longest, f"{longest:,}", certificate.errors, f"{certificate.margin:.3g}", f"{end - start:.1f}"),
    )
    facts = {
        "family": entry.family,
        "name": entry.name,
        "states": compiled.machine.num_states,
        "letters": len(compiled.machine.alphabet),
        "labels": compiled.machine.num_labels,
        "dim": config.dim,
        "n_h": n_h,
        "seconds": {"compile": middle - start, "verify": end - middle},
        **json.loads(certificate.to_json()),
    }
    return tuple(map(str, cells)), facts
