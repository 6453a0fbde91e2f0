"""What is saved comes back; what cannot come back says why; and nothing is lost on the way."""

import dataclasses
import errno
import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from lrnn.models import LanguageModel, LanguageModelConfig, load, save
from lrnn.models.files import write_whole
from tests.layers.cases import CASES, NAMES
from tests.models.small import small_config, small_model, words

SAVED = {case: CASES[case] for case in CASES if not CASES[case][1] or "write=False" in case}


@pytest.mark.parametrize("case", SAVED)
def test_there_and_back(case, tmp_path):
    mixer, options = SAVED[case]
    model, tokens = small_model(mixer, options), words(2, 6)
    save(model, tmp_path / "deep" / "folder")
    back = load(tmp_path / "deep" / "folder")
    assert back.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), back.state_dict().values(), strict=True))
    assert torch.equal(back(tokens)[0], model(tokens)[0])
    assert sorted(os.listdir(tmp_path / "deep" / "folder")) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_dtype_comes_back(dtype, tmp_path):
    save(small_model().to(dtype), tmp_path)
    assert {p.dtype for p in load(tmp_path).parameters()} == {dtype}


def test_tied_weights_are_saved_once(tmp_path):
    model = small_model(tie_weights=True)
    save(model, tmp_path)
    assert "head.weight" not in load_file(tmp_path / "model.safetensors")
    assert torch.equal(load(tmp_path)(words(1, 3))[0], model(words(1, 3))[0])


def test_options_come_back_from_json(tmp_path):
    options = {"eigenvalues": (-1, 1), "beta_form": "pinned", "initial_state": "learned"}
    save(small_model("deltaproduct", options), tmp_path)
    config = load(tmp_path).config
    assert dataclasses.asdict(config)["mixer_config"]["eigenvalues"] == (-1, 1)
    assert json.loads((tmp_path / "config.json").read_text())["mixer_config"]["beta_form"] == "pinned"


def test_saving_again_replaces(tmp_path):
    save(small_model(seed=0), tmp_path)
    second = small_model(seed=1)
    save(second, tmp_path)
    assert torch.equal(load(tmp_path).embedding.weight, second.embedding.weight)


def test_another_config_is_not_overwritten(tmp_path):
    model = small_model()
    save(model, tmp_path)
    with pytest.raises(ValueError, match="holds a model of another config"):
        save(small_model(num_layers=1), tmp_path)
    assert torch.equal(load(tmp_path).embedding.weight, model.embedding.weight)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_loses_nothing(failing, tmp_path, monkeypatch):
    model = small_model(seed=0)
    save(model, tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    message = r"could not write .*config.json .*No space left on device; what was saved before is intact"
    with pytest.raises(OSError, match=message) as caught:
        save(small_model(seed=1), tmp_path)
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert sorted(os.listdir(tmp_path)) == ["config.json", "model.safetensors"]
    assert torch.equal(load(tmp_path).embedding.weight, model.embedding.weight)


def test_a_disk_that_fills_up_at_the_weights_loses_nothing(tmp_path, monkeypatch):
    model = small_model(seed=0)
    save(model, tmp_path)
    replace, calls = os.replace, []

    def full(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"could not write .*model.safetensors .*what was saved before is intact"):
        save(small_model(seed=1), tmp_path)
    monkeypatch.undo()
    assert torch.equal(load(tmp_path).embedding.weight, model.embedding.weight)


def test_an_interruption_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        save(small_model(), tmp_path / "taken")


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config.json does not exist: .* holds no checkpoint"):
        load(tmp_path)
    save(small_model(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"model.safetensors does not exist: the checkpoint has a config but no"
    ):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 200, -1])
def test_truncated_weights(keep, tmp_path):
    save(small_model(), tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"model.safetensors cannot be read as safetensors \(truncated"):
        load(tmp_path)


def test_a_pickle_is_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    save(small_model(), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        load(tmp_path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config.json is not JSON"),
        ('{"vocab_size": 3', "config.json is not JSON"),
        ("[1, 2]", "config.json is not the config of a language model: has list"),
        ('{"lr": 1}', "config.json is not the config of a language model: has lr; wanted vocab_size"),
        ('{"vocab_size": 3, "mixer": "hyena"}', "config.json: .*mixer = 'hyena': must be one of mamba"),
        ('{"vocab_size": 3, "dim": "wide"}', "config.json: .*dim = 'wide': must be an integer"),
        ('{"vocab_size": 3, "mixer_config": 5}', "config.json: .*mixer_config is int"),
        ('{"vocab_size": 3, "mixer_config": {"num_heads": -1}}', "config.json: .*num_heads = -1"),
    ],
)
@pytest.mark.no_shape_checks
def test_a_broken_config(text, message, tmp_path):
    save(small_model(), tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


def test_another_config_than_asked_for(tmp_path):
    save(small_model(), tmp_path)
    load(tmp_path, small_config())
    other = small_config(mixer_options={"eigenvalues": (-1, 1)}, num_layers=3)
    with pytest.raises(
        ValueError, match=r"num_layers is 2, wanted 3; mixer_config.eigenvalues is \(0, 1\), wanted \(-1, 1\)"
    ):
        load(tmp_path, other)


def test_weights_of_another_model(tmp_path):
    save(small_model(), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["stranger"] = tensors.pop("norm.weight")
    tensors["head.weight"] = torch.zeros(3, 3)
    tensors["embedding.weight"] = torch.zeros(7, 16, dtype=torch.int64)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="does not fit") as caught:
        load(tmp_path)
    for fault in (
        "norm.weight is missing",
        "stranger is unexpected",
        r"head.weight has shape (3, 3), wanted (7, 16)",
        "embedding.weight has dtype torch.int64",
    ):
        assert fault in str(caught.value)


@pytest.mark.parametrize("mixer", [name for name in NAMES if name != "deltanet"])
def test_a_config_of_one_mixer_with_weights_of_another(mixer, tmp_path):
    save(LanguageModel(LanguageModelConfig(vocab_size=3, dim=16, num_layers=1)), tmp_path)
    config = LanguageModelConfig(vocab_size=3, dim=16, num_layers=1, mixer=mixer)
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    with pytest.raises(ValueError, match="does not fit"):
        load(tmp_path)
