"""What every test and doctest runs under.

- One thread per process: with two workers on two cores, more threads only fight.
- `torch.empty` and its like are filled with NaN, so that memory read before it is written shows.
- Shapes and types of every lrnn function are checked at run time (jaxtyping with beartype).
- Without a GPU, kernels run in Triton's interpreter, which is switched on before anything can import Triton.

Two marks step out of the last one:

- `@pytest.mark.no_shape_checks`: the checks are off for this test. For tests of our own error messages, which the
  checks would otherwise pre-empt.
- `@pytest.mark.compiled`: the test runs in a fresh process that never had the checks. For `torch.compile` and
  `torch.export`, which cannot trace them. One process per test costs about five seconds, so put few tests under it.

`pytest --no-shape-checks` turns the checks off for the whole run.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported, hence before it
os.environ.setdefault("MPLBACKEND", "Agg")

import subprocess
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path

import jaxtyping
import pytest
import torch

from tests.poison import poison

torch.set_num_threads(1)
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read where a kernel is defined, so before its file is imported


poison()


class Unchecked(MetaPathFinder):
    """Imports as they are the files of kernels and of ops made from functions.

    Triton reads the source of a kernel, and torch the annotations of an op; both find none in a checked function.
    """

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith("lrnn.backends.triton."):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            return spec
        source = Path(spec.origin).read_text()
        return spec if any(sign in source for sign in ("@triton.jit", "@gluon.jit", "custom_op(")) else None


def pytest_addoption(parser):
    parser.addoption(
        "--no-shape-checks", action="store_true", help="do not check shapes and types of lrnn functions at run time"
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "no_shape_checks: run with the run-time shape checks off")
    config.addinivalue_line("markers", "compiled: run in a process of its own, without run-time shape checks")
    if not config.getoption("--no-shape-checks"):
        import tests.shapes  # noqa: F401  (found by name)

        jaxtyping.install_import_hook("lrnn", "tests.shapes.check")
        sys.meta_path.insert(0, Unchecked())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if item.get_closest_marker("no_shape_checks") is None:
        return (yield)
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        return (yield)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    config = pyfuncitem.config
    if pyfuncitem.get_closest_marker("compiled") is None or config.getoption("--no-shape-checks"):
        return None
    command = [sys.executable, "-m", "pytest", "--no-shape-checks", "-q", "-p", "no:xdist"]
    command += ["-p", "no:cacheprovider", "-p", "no:logging"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    child = subprocess.run(
        [*command, pyfuncitem.nodeid], cwd=config.rootpath, env=environment, capture_output=True, text=True
    )
    if child.returncode:
        pytest.fail(f"in its own process:\n{child.stdout}{child.stderr}", pytrace=False)
    return True
