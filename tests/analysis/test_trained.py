"""What a model became: transitions by token, states along a word, pictures, studies."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from lrnn.analysis import beta_by_token, drives, eigenvalues_by_token, portrait, run_study, singular_values, states
from lrnn.analysis.pictures import beta_by_token as beta_picture
from lrnn.analysis.pictures import singular_values_along, spectrum
from lrnn.layers import MIXERS
from lrnn.models import LanguageModel, LanguageModelConfig
from lrnn.train import Study, load_model, train
from lrnn.train.loop import Loop
from tests.train.runs import tiny_run

LINEAR = [name for name in MIXERS if name not in ("attention", "lstm", "slstm")]


def model_of(mixer="deltanet", layers=2, **options):
    config = LanguageModelConfig(vocab_size=3, dim=8, num_layers=layers, mixer=mixer, mixer_config=options)
    return LanguageModel(config, seed=1)


def words(batch=2, length=5):
    return torch.randint(3, (batch, length), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mixer", LINEAR)
def test_eigenvalues_of_every_mixer_are_those_of_its_matrices(mixer):
    model, tokens = model_of(mixer), words()
    found = eigenvalues_by_token(model, tokens)
    assert list(found) == [0, 1]
    for layer, by_token in found.items():
        A = drives(model, tokens)[layer].A
        matrices = A.to(torch.float64).dense().detach()
        for token, values in by_token.items():
            expected = torch.linalg.eigvals(matrices[tokens == token])
            assert values.shape == expected.shape
            traces, determinants = values.sum(-1), values.prod(-1)
            assert torch.allclose(traces, expected.sum(-1), atol=1e-6)
            assert torch.allclose(determinants, expected.prod(-1), atol=1e-6)
        assert sum(len(values) for values in by_token.values()) == tokens.numel()


def test_in_a_first_layer_without_convolution_the_token_decides():
    model, tokens = model_of(conv_size=0), words(4, 9)
    first = beta_by_token(model, tokens)[0]
    assert all(float((beta - beta[0]).abs().max()) < 1e-6 for beta in first.values())
    assert not torch.allclose(first[0][0], first[1][0])
    second = beta_by_token(model, tokens)[1]
    assert any(float((beta - beta[0]).abs().max()) > 1e-6 for beta in second.values())


@pytest.mark.parametrize("mixer", LINEAR)
@pytest.mark.parametrize("start", ["zero", "learned"])
def test_states_along_a_word_end_where_the_model_ends(mixer, start):
    model, tokens = model_of(mixer, initial_state=start), words()
    _, after = model(tokens)
    for layer in (0, 1):
        along = states(model, tokens, layer)
        assert along.shape[1] == tokens.shape[1] + 1
        assert torch.allclose(along[:, -1], after[layer].state.detach(), atol=1e-5)
        assert (float(along[:, 0].abs().max()) == 0) == (start == "zero")
        values = singular_values(model, tokens, layer)
        assert values.shape == (*along.shape[:3], min(along.shape[3:]))
        top = np.linalg.norm(along[0, 2, 0].numpy(), 2)
        assert float(values[0, 2, 0, 0]) == pytest.approx(top, rel=1e-4, abs=1e-6)


def test_reflections_leave_singular_values_alone():
    model = model_of(
        eigenvalues=(-1, 1), beta_form="pinned", initial_state="learned", write=False, key_activation="none"
    )
    values = singular_values(model, words(length=40), 0)
    assert float((values - values[:, :1]).abs().max()) < 1e-5


def test_a_model_without_transition_says_so():
    with pytest.raises(ValueError, match="its mixer attention is no linear recurrence"):
        eigenvalues_by_token(model_of("attention"), words())
    with pytest.raises(ValueError, match=r"layer = 7: must be one of 0, 1"):
        states(model_of(), words(), 7)


def test_a_spectrum_shows_every_eigenvalue_in_its_panel():
    values = {"a": {"0": torch.tensor([1.0, -0.5 + 0.5j])}, "b": {"1": torch.tensor([0.25j])}}
    figure = spectrum(values, "title")
    drawn = [
        {(round(x, 4), round(y, 4)) for line in panel.lines[2:] for x, y in np.asarray(line.get_xydata()).tolist()}
        for panel in figure.axes
    ]
    assert drawn == [{(1.0, 0.0), (-0.5, 0.5)}, set(), set(), {(0.0, 0.25)}]
    with pytest.raises(ValueError, match="no eigenvalue"):
        spectrum({})


def test_a_large_alphabet_is_cut_and_the_picture_says_so():
    letters = {f"{n}": torch.ones(2, dtype=torch.complex64) for n in range(20)}
    assert "8 of 20 letters" in spectrum({"layer 1": letters}).get_suptitle()
    with pytest.raises(ValueError, match="no β"):
        beta_picture({})
    assert len(singular_values_along(torch.ones(5, 2, 3)).axes[0].lines) == 6


def test_a_portrait_goes_into_the_report(tmp_path):
    train(tiny_run(), tmp_path / "run", show=False)
    before = (tmp_path / "run" / "report.html").read_text().count("<svg")
    drawn = portrait(tmp_path / "run")
    assert [path.name for path in drawn] == ["4-spectrum.png", "5-beta-layer-1.png", "6-singular-values-layer-1.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert (tmp_path / "run" / "report.html").read_text().count("<svg") == before + 3
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        portrait(tmp_path)


def tiny_study(**fields):
    arms = {"narrow <a>": tiny_run(mixer="mamba"), "wide": tiny_run()}
    return Study(name="tiny", question="Which?", arms=arms, seeds=(0, 1), judged=(7, 9), **fields)


def test_a_study_leaves_a_page_that_needs_nothing_from_outside(tmp_path):
    outcome = run_study(tiny_study(), tmp_path / "study", processes=1, show=False)
    text = outcome.report.read_text()
    assert "http" not in text
    assert "narrow &lt;a&gt;" in text
    assert text.count("<svg") == 2
    assert [row[0] for row in outcome.rows] == ["narrow <a>", "wide"]
    for name, row in zip(outcome.results, outcome.rows, strict=True):
        scores = [result.scores[-1].last for result in outcome.results[name]]
        assert row[1:4] == (f"{max(scores):.3f}", f"{sum(scores) / 2:.3f}", f"{min(scores):.3f}")
    assert outcome.best("wide").scores[-1].last == max(r.scores[-1].last for r in outcome.results["wide"])
    table = json.loads((tmp_path / "study" / "study.json").read_text())
    assert table["arms"] == ["narrow <a>", "wide"]
    assert load_model(tmp_path / "study" / "wide" / "seed-1").config == tiny_run().model


def test_a_study_survives_an_arm_that_diverges(tmp_path, monkeypatch):
    update = Loop._update

    def break_mamba(self):
        if self.run.model.mixer == "mamba":
            self.model.head.weight.data.fill_(float("nan"))
        update(self)

    monkeypatch.setattr(Loop, "_update", break_mamba)
    outcome = run_study(tiny_study(), tmp_path / "study", processes=1, show=False)
    assert outcome.rows[0][0] == "narrow <a> (2 diverged)"
    assert outcome.rows[0][1] == "0.000"
    assert "diverged" in outcome.report.read_text()


def test_recipes_say_the_whole_setting():
    from recipes import RECIPES

    for name, recipe in RECIPES.items():
        study = recipe()
        assert study.name == name
        assert study == recipe()
        for run in study.arms.values():
            assert run == type(run).from_json(json.loads(json.dumps(run.to_json())))
    arms = RECIPES["parity"]().arms
    assert list(arms) == ["Mamba [0, 1]", "DeltaNet [0, 1]", "Mamba [-1, 1]", "DeltaNet [-1, 1]"]
    for mixer in ("Mamba", "DeltaNet"):  # the arms differ in the range alone
        positive, signed = arms[f"{mixer} [0, 1]"], arms[f"{mixer} [-1, 1]"]
        config = replace(positive.model.mixer_config, eigenvalues=(-1, 1))  # type: ignore[type-var]
        assert replace(positive, model=replace(positive.model, mixer_config=config)) == signed
    assert arms["DeltaNet [0, 1]"].train == arms["Mamba [0, 1]"].train
