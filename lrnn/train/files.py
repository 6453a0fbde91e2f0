"""Files of a run are written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_whole(path: Path, data: bytes | str) -> None:
    """Put `data` at `path` so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and the name is moved over. If
    that fails (a full disk, say), the temporary file is removed and what was at `path` stays.

    Raises OSError naming the file.
    """
    if isinstance(data, str):
        data = data.encode()
    half = path.with_name(path.name + f".{os.getpid()}.part")
    try:
        with open(half, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise OSError(
            error.errno,
            f"could not write {path} ({len(data)} bytes): {error.strerror or error}; what was saved before is intact",
        ) from error


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
