"""The command line: every verb works from nothing, and a mistake costs nothing."""

import json
import re
import subprocess
import sys
import types

import pytest

from lrnn.cli import main
from lrnn.cli.flags import Part
from lrnn.cli.setting import Choice, Place
from lrnn.cli.verbs import VERBS
from lrnn.layers import MIXERS
from lrnn.models import LanguageModelConfig
from lrnn.tasks import TASKS
from lrnn.train import TrainConfig

pytestmark = pytest.mark.no_shape_checks  # a user's mistake is answered by our own messages

TINY = "--steps 2 --batch 4 --max-length 6 --eval-lengths 4,8 --eval-batch 4 --dim 8 --num-layers 1".split()


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def failing(capsys, *argv: str, code: int = 2) -> str:
    """What a command that must fail says, in one line."""
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return " ".join((out + err).replace("│", " ").split())


def test_verbs_are_listed(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(re.search(rf"^  {verb} +\w", out, re.MULTILINE) for verb in VERBS)
    assert main([]) == 2


def test_version(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"lrnn \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert f"usage: lrnn {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "task"),
    [
        (["--regex", "(ab|ba)*", "--mixer", "deltaproduct", "--n-h", "2"], "regular"),
        (["--group", "S3", "--generators", "swaps"], "word_problem"),
        (["--task", "parity", "--mixer", "mamba", "--eigenvalues", "-1,1"], "parity"),
    ],
)
def test_train_leaves_a_run_folder(argv, task, somewhere, capsys):
    assert main(["train", *argv, *TINY, "--folder", "r"]) == 0
    out = capsys.readouterr().out
    assert "Run folder: r; report: r/report.html" in out
    config = json.loads((somewhere / "r" / "config.json").read_text())
    assert config["task"]["name"] == task
    assert config["model"]["dim"] == 8
    if "--n-h" in argv:
        assert config["model"]["mixer_config"]["num_householders"] == 2
    if "--eigenvalues" in argv:
        assert config["model"]["mixer_config"]["eigenvalues"] == [-1, 1]
    assert {score["length"] for score in json.loads((somewhere / "r" / "result.json").read_text())["scores"]} == {4, 8}


def test_run_makes_a_comparison(somewhere, capsys):
    argv = ["run", "s3", "--steps", "1", "--seeds", "3", "--processes", "1", "--folder", "r"]
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert re.search(r"^ n_h = 1 .* 1 ", out, re.MULTILINE)
    assert "report: r/report.html" in out
    assert (somewhere / "r" / "report.html").is_file()
    assert "never overwritten" in failing(capsys, *argv)
    assert main([*argv, "--resume"]) == 0


def test_bench_prints_and_keeps_the_numbers(somewhere, capsys, monkeypatch):
    """The verb alone; the measurements have their own tests."""
    outcome = types.SimpleNamespace(title="Ours", columns=("who", "ms"), rows=[("ours", "1.0")], data={"ours": 1.0})
    room = types.ModuleType("benchmarks")
    seen = []
    gpu = lambda threads, parts=(), ops=(): seen.append((parts, ops)) or outcome  # noqa: E731
    room.BENCHMARKS = {"cpu": lambda threads: outcome, "gpu": gpu}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks", room)
    for name in ("bench-cpu.json", "bench-cpu-2.json"):
        assert main(["bench", "cpu"]) == 0
        assert re.search(r"^ ours +1\.0", capsys.readouterr().out, re.MULTILINE)
        assert json.loads((somewhere / "runs" / name).read_text()) == {"ours": 1.0}
    assert "never overwritten" in failing(capsys, "bench", "cpu", "--output", "runs/bench-cpu.json")
    assert "did you mean cpu?" in failing(capsys, "bench", "cpuu")
    assert "--threads 0" in failing(capsys, "bench", "cpu", "--threads", "0")
    assert "the benchmark cpu has no parts" in failing(capsys, "bench", "cpu", "--parts", "state")
    assert main(["bench", "gpu", "--parts", "state", "contests", "--ops", "scalar"]) == 0
    assert seen == [(("state", "contests"), ("scalar",))]


def test_words_of_ones_own(somewhere, capsys):
    lines = [f"{'ab' * n}{'a' * odd}\t{'yes' if odd else 'no'}" for n in range(1, 20) for odd in (0, 1)]
    (somewhere / "words.tsv").write_text("\n".join(lines) + "\n")
    assert main(["train", "--words", "words.tsv", *TINY[:4], "--dim", "8", "--folder", "r"]) == 0
    assert "38 different words" in capsys.readouterr().out
    assert json.loads((somewhere / "r" / "config.json").read_text())["task"]["name"] == "words"


def test_a_bad_line_of_a_words_file_is_named(somewhere, capsys):
    (somewhere / "words.tsv").write_text("ab\tyes\nba\n")
    message = failing(capsys, "train", "--words", "words.tsv", *TINY)
    assert "words.tsv" in message
    assert "2" in message
    assert not (somewhere / "runs").exists()


def test_folders_are_chosen_free_and_never_overwritten(somewhere, capsys):
    argv = ["train", "--task", "parity", *TINY]
    assert main(argv) == 0
    assert main(argv) == 0
    assert sorted(path.name for path in (somewhere / "runs").iterdir()) == ["parity-deltanet", "parity-deltanet-2"]
    before = (somewhere / "runs" / "parity-deltanet" / "result.json").read_text()
    message = failing(capsys, *argv, "--folder", "runs/parity-deltanet")
    assert "runs/parity-deltanet already exists and is never overwritten" in message
    assert (somewhere / "runs" / "parity-deltanet" / "result.json").read_text() == before


def test_seeds_resume_and_evaluate(somewhere, capsys):
    assert main(["train", "--task", "parity", *TINY, "--seeds", "0,1", "--folder", "r"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("median", "best", "deviation"))
    assert main(["train", "--resume", "r"]) == 0  # finished runs are not repeated
    assert capsys.readouterr().out == out
    assert main(["evaluate", "r/seed-0", "--lengths", "3,12", "--words", "4"]) == 0
    assert re.search(r"^ 12 .* 2\.0 ×", capsys.readouterr().out, re.MULTILINE)


def test_spectrum_says_and_draws_what_a_t_became(somewhere, capsys):
    assert main(["train", "--task", "parity", *TINY, "--eigenvalues", "-1,1", "--folder", "r"]) == 0
    before = (somewhere / "r" / "report.html").read_text()
    capsys.readouterr()
    assert main(["spectrum", "r", "--length", "5"]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"^ 1 +[01] +-?[\d.]+ +1\.0000 +0\.0000 +0\.\d+ *$", out, re.MULTILINE)) == 2
    assert (somewhere / "r" / "plots" / "4-spectrum.svg").is_file()
    assert len((somewhere / "r" / "report.html").read_text()) > len(before)


def test_spectrum_of_a_baseline_is_refused(somewhere, capsys):
    assert main(["train", "--task", "parity", "--mixer", "attention", *TINY, "--folder", "r"]) == 0
    capsys.readouterr()
    assert "attention is no linear recurrence" in failing(capsys, "spectrum", "r")


def test_several_runs_in_a_folder_are_named(somewhere, capsys):
    assert main(["run", "s3", "--steps", "1", "--seeds", "0", "--processes", "1", "--folder", "r"]) == 0
    capsys.readouterr()
    assert re.search(r"r holds several runs; name one of r/\S+/seed-0", failing(capsys, "evaluate", "r"))


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys):
    from lrnn.train import Interrupted

    def stopped(*args, **kwargs):
        raise Interrupted("stopped at step 3 of 9; resume the run in r")

    monkeypatch.setattr("lrnn.train.train", stopped)
    assert "resume the run in r" in failing(capsys, "train", "--task", "parity", *TINY, code=130)


def test_a_run_that_diverges_says_so(somewhere, capsys):
    argv = ["train", "--task", "parity", *TINY, "--lr", "1e38", "--grad-clip", "0", "--folder", "r"]
    argv[argv.index("--steps") + 1] = "30"
    assert "diverged" in failing(capsys, *argv, code=1)


def test_resume_takes_nothing_else(capsys):
    assert "leave out --lr" in failing(capsys, "train", "--resume", "r", "--lr", "1")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["trian"], ["trian is no verb", "did you mean train?", "evaluate"]),
        (["train"], ["no task", "--regex", "parity"]),
        (["train", "--task", "paritty"], ["--task paritty", "did you mean parity?", "legal are"]),
        (["train", "--task", "parity", "--mixer", "mambo"], ["--mixer mambo", "did you mean mamba?", "legal are"]),
        (["train", "--task", "parity", "--stpes", "3"], ["--stpes is no flag", "did you mean --steps?"]),
        (["train", "--task", "parity", "--n-h", "2"], ["--n-h is a flag of --mixer deltaproduct"]),
        (["train", "--task", "parity", "--group", "S3"], ["--group is a flag of --task word_problem"]),
        (["train", "--regex", "ab", "--group", "S5"], ["several tasks", "--regex", "--group"]),
        (["train", "--task", "parity", "--lr", "-1"], ["--lr -1.0: must be"]),
        (["train", "--task", "parity", "--lr", "0", "--batch", "0"], ["--lr 0.0", "--batch 0"]),
        (["train", "--task", "parity", "--batch", "many"], ["--batch", "many"]),
        (["train", "--task", "parity", "--optimizer", "sgd"], ["--optimizer", "adamw", "muon"]),
        (["train", "--task", "parity", "--eigenvalues", "0,2"], ["--eigenvalues (0, 2)", "(0, 1), (-1, 1)"]),
        (["train", "--task", "parity", "--num-heads", "3"], ["--num-heads 3", "divide --dim 64"]),
        (["train", "--task", "parity", "--device", "tpu"], ["--device 'tpu'", "cpu"]),
        (["train", "--task", "parity", "--steps"], ["--steps"]),
        (["train", "--group", "Q8"], ["--group 'Q8'", "S_n"]),
        (["train", "--group", "S5", "--generators", "swap"], ["--generators", "swaps"]),
        (["train", "--regex", "(ab"], ["never closed"]),
        (["train", "--words", "none.tsv"], ["none.tsv"]),
        (["train", "--resume", "none"], ["none is not a run folder"]),
        (["run"], ["name a recipe", "parity"]),
        (["run", "party"], ["recipe party", "did you mean parity?"]),
        (["run", "parity", "--resume"], ["--resume needs --folder"]),
        (["run", "parity", "--steps", "0"], ["--steps 0"]),
        (["spectrum", "none"], ["none is not a run folder"]),
        (["evaluate", "none"], ["none is not a run folder"]),
        (["evaluate"], ["RUN"]),
        (["tasks", "paritty"], ["did you mean parity?"]),
        (["mixers", "mambo"], ["did you mean mamba?"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0] in VERBS else "",
)
def test_a_mistake_costs_nothing(argv, said, somewhere, capsys):
    message = failing(capsys, *argv)
    assert all(words in message for words in said), message
    assert list(somewhere.iterdir()) == []


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_flags_of_its_own(name, capsys):
    assert main(["tasks", name]) == 0
    assert main(["train", "--task", name, "--help"]) == 0
    assert "--task" in capsys.readouterr().out


@pytest.mark.parametrize("name", MIXERS)
def test_every_mixer_trains_from_its_name_alone(name, somewhere, capsys):
    assert main(["mixers", name]) == 0
    assert main(["train", "--task", "parity", "--mixer", name, *TINY, "--folder", "r"]) == 0


@pytest.mark.parametrize("task", TASKS)
def test_flags_of_a_task_and_a_mixer_never_collide(task):
    own = {*Part(title="task", kind=TASKS[task]).flags()}
    rest = [Part(title="", kind=kind, without=("mixer",)) for kind in (Choice, Place, LanguageModelConfig, TrainConfig)]
    for part in rest + [Part(title="", kind=mixer.Config, without=("dim",)) for mixer in MIXERS.values()]:
        assert not own & {*part.flags()} - {"--task"}


@pytest.mark.parametrize("mixer", MIXERS)
def test_flags_of_a_mixer_and_the_rest_never_collide(mixer):
    own = {*Part(title="mixer", kind=MIXERS[mixer].Config, without=("dim",)).flags()}
    for kind in (Choice, Place, LanguageModelConfig, TrainConfig):
        assert not own & {*Part(title="", kind=kind).flags()}


def test_lists_name_everything(capsys):
    for verb, table in (("tasks", TASKS), ("mixers", MIXERS)):
        assert main([verb]) == 0
        out = capsys.readouterr().out
        assert all(re.search(rf"^ {name} ", out, re.MULTILINE) for name in table)


def test_a_fault_of_ours_shows_its_trace(monkeypatch):
    """Only errors about what was given are one line; a bug must be seen."""
    import lrnn.train

    namespace: dict = {}
    exec("def broken(*args, **kwargs): return int('x')", {"__name__": "elsewhere"}, namespace)
    monkeypatch.setattr(lrnn.train, "train", namespace["broken"])
    with pytest.raises(ValueError, match="invalid literal"):
        main(["train", "--task", "parity", *TINY])


def test_a_full_disk_is_said_and_no_trace(monkeypatch, capsys):
    def full(*args, **kwargs):
        raise OSError(28, "could not write r/config.json: No space left on device")

    monkeypatch.setattr("lrnn.train.train", full)
    assert "No space left on device" in failing(capsys, "train", "--task", "parity", *TINY, code=1)


def test_the_program_itself(somewhere):
    child = subprocess.run([sys.executable, "-m", "lrnn", "tasks"], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    assert "parity" in child.stdout
