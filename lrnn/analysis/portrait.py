"""A portrait of a run: spectrum, β and singular values of its trained model, drawn into its folder and report."""

from __future__ import annotations

from pathlib import Path

import torch

from lrnn.analysis.pictures import beta_by_token as beta_picture
from lrnn.analysis.pictures import singular_values_along, spectrum
from lrnn.analysis.trained import beta_by_token, eigenvalues_by_token, singular_values
from lrnn.train import RunFolder, load_model, write_report
from lrnn.train.pictures import save_figure
from lrnn.train.words import measured_words

WORDS = 32
"""Words from whose letters the transitions are taken."""


def portrait(folder: str | Path, length: int | None = None) -> list[Path]:
    """Draw the spectrum of A_t per token, β by token and the state's singular values along a word of a run.

    The pictures go to the run's plots/ as PNG and SVG and, if the run is over, into its report.html.

    Args:
        folder: of the run.
        length: letters in the words; None for the longest training length.

    Returns the PNG files. Raises FileNotFoundError if `folder` is no run; ValueError if it has no model yet, its
    model is not linear, or the task has no word of that length.
    """
    place = RunFolder.open(folder)
    run = place.config
    model = load_model(folder)
    longest = run.train.max_length if length is None else length
    if not (lengths := run.task.lengths_between(1, longest, "test")):
        raise ValueError(f"length = {longest}: the task {run.task.name} has no word so short")
    words = measured_words(run, lengths[-1], WORDS).words
    letters = run.task.alphabet
    layers = eigenvalues_by_token(model, words)
    rows = {f"layer {layer + 1}": {letters[t]: e for t, e in found.items()} for layer, found in layers.items()}
    drawn = [save_figure(spectrum(rows, "Eigenvalues of A_t by letter"), place.plots, "4-spectrum")]
    for layer, betas in beta_by_token(model, words).items():
        figure = beta_picture({letters[t]: b for t, b in betas.items()}, f"β by letter, layer {layer + 1}")
        drawn.append(save_figure(figure, place.plots, f"5-beta-layer-{layer + 1}"))
    for layer in layers:
        values = singular_values(model, words[:1], layer)[0]
        if torch.isfinite(values).all():
            figure = singular_values_along(values, f"The state along a word, layer {layer + 1}")
            drawn.append(save_figure(figure, place.plots, f"6-singular-values-layer-{layer + 1}"))
    if place.result is not None:
        write_report(folder)
    return [png for png, _ in drawn]
