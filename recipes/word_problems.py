"""S3 and S4: one reflection per token is not enough, two are."""

from lrnn.models import LanguageModelConfig
from lrnn.tasks import WordProblem
from lrnn.train import RunConfig, Study, TrainConfig


def word_problem_run(group: str, num_householders: int, steps: int, seed: int = 0) -> RunConfig:
    """One layer of DeltaProduct on the word problem of a group, all of its elements as letters, trained to length 32.

    4 heads of 4 × 4, β = 2 (pinned: every factor is an exact reflection), learned initial state, no additive write, no
    convolution, keys without activation; AdamW at 0.01 with one cycle, lengths 4, 8, 16, 32 for a quarter of the steps
    each. With β = 2σ(10x) in its place S3 trains as well, S4 from one seed in three.

    Source: Siems et al., "DeltaProduct", arXiv 2502.10297, section 5.1 (S3 and S4 need n_h = 2 in one layer); the
    parameterization, the size and the curriculum are ours.
    """
    task = WordProblem(group=group)
    return RunConfig(
        task=task,
        model=LanguageModelConfig(
            vocab_size=len(task.alphabet),
            num_classes=task.num_classes,
            dim=32,
            num_layers=1,
            mixer="deltaproduct",
            mixer_config={
                "num_householders": num_householders,
                "eigenvalues": (-1, 1),
                "beta_form": "pinned",
                "num_heads": 4,
                "key_dim": 4,
                "value_dim": 4,
                "key_activation": "none",
                "conv_size": 0,
                "write": False,
                "initial_state": "learned",
            },
        ),
        train=TrainConfig(
            steps=steps,
            batch=64,
            lr=1e-2,
            schedule="one-cycle",
            warmup=0.3,
            weight_decay=0.0,
            min_length=2,
            max_length=32,
            curriculum=(4, 8, 16, 32),
            length_draw="max",
            validate_every=200,
            eval_lengths=(8, 16, 32, 64, 128),
        ),
        seed=seed,
    )


def _study(group: str, steps: int) -> Study:
    return Study(
        name=group.lower(),
        question=f"Can one layer track the products of {group} with one reflection per letter, and with two?",
        arms={f"n_h = {count}": word_problem_run(group, count, steps) for count in (1, 2)},
        seeds=(0,),
        judged=(32, 32),
        label="last_quarter",
        same="One layer of DeltaProduct, 4 heads of 4 × 4, every β = 2; they differ in reflections per letter alone.",
    )


def s3() -> Study:
    """S3, the symmetries of a triangle: three reflections and two rotations of the plane."""
    return _study("S3", steps=600)


def s4() -> Study:
    """S4, the rotations of a cube: every letter but the identity changes two dimensions."""
    return _study("S4", steps=1000)
