"""A file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


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
        raise OSError(
            error.errno,
            f"could not write {path} ({len(data)} bytes): {error.strerror or error}; what was saved before is intact",
        ) from error
    finally:
        half.unlink(missing_ok=True)
