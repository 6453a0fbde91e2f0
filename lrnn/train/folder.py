"""A run folder: config.json, metrics.jsonl, checkpoints/, result.json, plots/, report.html."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrnn.models.files import write_whole
from lrnn.train.config import RunConfig, differences
from lrnn.train.files import finite, read_json, write_json
from lrnn.train.result import Result


@dataclass(frozen=True)
class RunFolder:
    """Where one run lives. `create` makes a new one and `open` an existing one; nothing is ever overwritten."""

    path: Path

    @classmethod
    def create(cls, path: str | Path, config: RunConfig) -> RunFolder:
        """A new folder with the config in it.

        Raises FileExistsError if there is already something at `path`.
        """
        path = Path(path)
        refuse_existing(path)
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path)
        folder.checkpoints.mkdir()
        folder.plots.mkdir()
        write_json(path / "config.json", config.to_json())
        return folder

    @classmethod
    def open(cls, path: str | Path, config: RunConfig | None = None) -> RunFolder:
        """The folder of an earlier run.

        Raises FileNotFoundError if there is none, ValueError if it holds a run of another config.
        """
        folder = cls(Path(path))
        if not (folder.path / "config.json").is_file():
            raise FileNotFoundError(f"{folder.path} is not a run folder: it has no config.json")
        folder.checkpoints.mkdir(exist_ok=True)
        folder.plots.mkdir(exist_ok=True)
        if config is not None and (changed := differences(folder.config, config)):
            raise ValueError(
                f"{folder.path} holds a run of another config and cannot be resumed with this one:\n  "
                + "\n  ".join(changed)
            )
        return folder

    @property
    def config(self) -> RunConfig:
        """The config that the run was started with."""
        path = self.path / "config.json"
        data = read_json(path, "the config of a run")
        try:
            return RunConfig.from_json(data)
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f"{path}: {error}") from error

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def model(self) -> Path:
        """The trained model, as `lrnn.models.save` writes it."""
        return self.checkpoints / "model"

    @property
    def result(self) -> Result | None:
        """What came out, or None while the run is not over."""
        path = self.path / "result.json"
        return Result.from_json(read_json(path, "the result of a run")) if path.is_file() else None

    def write_result(self, result: Result) -> None:
        write_json(self.path / "result.json", result.to_json())

    def append_metrics(self, row: dict[str, Any]) -> None:
        """One more line of metrics.jsonl."""
        with open(self.path / "metrics.jsonl", "a") as file:
            file.write(json.dumps(finite(row), allow_nan=False) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line cut short by a crash is left out."""
        path = self.path / "metrics.jsonl"
        rows: list[dict[str, Any]] = []
        for line in path.read_text().splitlines() if path.is_file() else []:
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def forget_metrics_after(self, step: int) -> None:
        """Drop what was logged beyond a checkpoint; the resumed run will log it again."""
        rows = [row for row in self.read_metrics() if row["step"] <= step]
        write_whole(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def refuse_existing(path: Path) -> None:
    """Raise FileExistsError if there is anything at `path` but an empty folder."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if (path / "result.json").is_file():
        hint = "it holds a finished run; choose another folder"
    elif (path / "config.json").is_file():
        hint = "it holds a run that was begun; resume it (resume=True, --resume) or choose another folder"
    else:
        hint = "choose another folder"
    raise FileExistsError(f"{path} already exists and is never overwritten: {hint}")
