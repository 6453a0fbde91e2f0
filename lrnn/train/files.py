"""The JSON files of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lrnn.models.files import write_whole


def write_json(path: Path, data: Any) -> None:
    """Write `data` as indented JSON, whole or not at all. NaN and infinity become null."""
    write_whole(path, json.dumps(finite(data), indent=2, allow_nan=False) + "\n")


def read_json(path: Path, what: str) -> Any:
    """The JSON at `path`. Raises ValueError naming the file and `what` it should have been."""
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"{path}: cannot read {what}: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {what} is not valid JSON: {error}") from error


def finite(data: Any) -> Any:
    """The same JSON value with null in place of NaN and infinity, which JSON does not have."""
    if isinstance(data, float):
        return data if data - data == 0 else None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    return data
