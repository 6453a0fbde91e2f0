"""The page "What can a linear RNN recognize?" shows what the code says."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.no_shape_checks
def test_the_table_is_made_from_the_code():
    spec = importlib.util.spec_from_file_location("recognize", DOCS / "recognize.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    written = script.PAGE.read_text()
    assert script.page(written) == written, "run: python docs/recognize.py"
