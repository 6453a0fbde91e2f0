"""Text files that people write, read with one clear error."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str:
    """The whole file. Raises OSError if it cannot be read and ValueError if it is not UTF-8, naming the file."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise type(error)(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text (byte {error.start})") from None
