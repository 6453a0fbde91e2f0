"""Run a study: train every arm from every seed, look at what they became, and write it all on one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lrnn.analysis.pictures import spectrum
from lrnn.analysis.trained import eigenvalues_by_token
from lrnn.train import Result, RunConfig, load_model, train_arms
from lrnn.train.arms import arm_folders
from lrnn.train.files import write_json
from lrnn.train.pictures import accuracy_over_length, save_figure
from lrnn.train.report import heading, paragraph, pictures_of, table, write_page
from lrnn.train.study import Study
from lrnn.train.words import measured_words

_WORDS_LOOKED_AT = 16


@dataclass(frozen=True)
class Outcome:
    """What a study came to."""

    study: Study
    folder: Path
    results: dict[str, list[Result]]
    """Arm to the result of each seed."""

    @property
    def report(self) -> Path:
        """The page with everything on it."""
        return self.folder / "report.html"

    @property
    def columns(self) -> tuple[str, ...]:
        """The head of `rows`."""
        low, high = self.study.judged
        over = f"at {low}" if low == high else f"over {low}–{high}"
        return ("arm", f"best {over}", "median", "worst", "at training lengths", "steps", "s/run")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """One row of text per arm: accuracy over the judged lengths, inside the training range, and the cost."""
        found = []
        for name, results in self.results.items():
            spread = self.study.spread(results)
            inside = [result.inside for result in results if result.inside is not None and not diverged(result)]
            steps = sorted({result.steps for result in results})
            found.append(
                (
                    name + (f" ({n} diverged)" if (n := sum(map(diverged, results))) else ""),
                    f"{spread.best:.3f}",
                    f"{spread.median:.3f}",
                    f"{spread.worst:.3f}",
                    f"{max(inside):.3f}" if inside else "–",
                    f"{steps[0]}" if len(steps) == 1 else f"{steps[0]}–{steps[-1]}",
                    f"{math.fsum(result.seconds for result in results) / len(results):.1f}",
                )
            )
        return found

    def best(self, arm: str) -> Result:
        """The seed of an arm that is judged best."""
        return max(self.results[arm], key=self.study.score)


def diverged(result: Result) -> bool:
    return result.status == "diverged"


def run_study(
    study: Study,
    folder: str | Path,
    *,
    processes: int | None = None,
    resume: bool = False,
    show: bool = True,
    run_reports: bool = False,
) -> Outcome:
    """Train and measure a study in `folder`; plots/ and report.html there compare the arms.

    Args:
        study: what to compare.
        folder: must not exist yet unless `resume`.
        processes: runs at a time; None for one per processor. More than one needs `if __name__ == "__main__":` in a
            script.
        resume: go on with what is in `folder`; finished runs are not repeated.
        show: progress on standard error.
        run_reports: also write a report for every single run (a second each).

    Raises as `lrnn.train.train_arms`.
    """
    folder = Path(folder)
    results = train_arms(
        study.arms, study.seeds, folder, processes=processes, resume=resume, show=show, report=run_reports
    )
    outcome = Outcome(study, folder, results)
    arms = {name: [result.scores for result in each if result.scores] for name, each in results.items()}
    some_run = next(iter(study.arms.values()))
    lengths = (some_run.train.min_length, some_run.train.max_length)
    if any(arms.values()):
        save_figure(accuracy_over_length(arms, lengths), folder / "plots", "1-accuracy-over-length")
    if rows := _spectra(outcome):
        save_figure(spectrum(rows), folder / "plots", "2-spectrum")
    table_of = dict(zip(outcome.columns[1:], zip(*[row[1:] for row in outcome.rows])))
    write_json(folder / "study.json", {"name": study.name, "arms": list(results), "table": table_of})
    _write_report(outcome)
    return outcome


def _spectra(outcome: Outcome) -> dict[str, dict[str, torch.Tensor]]:
    """Arm to letter to eigenvalues, of the first layer of each arm's best seed."""
    folders = arm_folders(outcome.study.arms, outcome.folder)
    rows: dict[str, dict[str, torch.Tensor]] = {}
    for name, run in outcome.study.arms.items():
        best = outcome.best(name)
        if diverged(best):
            continue
        layers = eigenvalues_by_token(load_model(folders[name] / f"seed-{best.seed}"), _words(run))
        first = layers[min(layers)]
        rows[name] = {run.task.alphabet[token]: values for token, values in first.items()}
    return rows


def _words(run: RunConfig) -> torch.Tensor:
    lengths = run.task.lengths_between(1, run.train.max_length, "test")
    return measured_words(run, lengths[-1], _WORDS_LOOKED_AT).words


def _write_report(outcome: Outcome) -> None:
    study = outcome.study
    label = {"last": "the last label of each word", "mean": "all labels", "last_quarter": "labels in the last quarter"}
    words = (
        f"Scaled accuracy of {label[study.label]}: 0 is guessing, 1 is perfect. Best, median and worst of the seeds "
        f"{', '.join(map(str, study.seeds))}."
    )
    captions = {
        "1-accuracy-over-length": "Scaled accuracy over the length of the word; line: median of the seeds, band: worst "
        "to best, shaded: the lengths seen in training.",
        "2-spectrum": "Eigenvalues of A_t in the complex plane for each letter, first layer of each arm's best seed. "
        "The circle is the unit circle.",
    }
    body: Sequence[str] = [
        paragraph(study.question),
        paragraph(study.same) if study.same else "",
        table(outcome.columns, outcome.rows),
        paragraph(words, note=True),
        *pictures_of(outcome.folder / "plots", captions),
        heading("The runs"),
        table(("arm", "seed", "status", "steps", "seconds", "score"), _run_rows(outcome)),
    ]
    write_page(outcome.report, study.name.capitalize(), body)


def _run_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{result.seed}",
            result.status,
            f"{result.steps}",
            f"{result.seconds:.1f}",
            f"{outcome.study.score(result):.3f}",
        )
        for name, results in outcome.results.items()
        for result in results
    ]
