"""Each verb of the command line calls one function.

What is typed is checked before anything is computed: a mistake is answered by one message that names the flag and the
legal values, with exit code 2 and nothing on the disk changed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from lrnn.cli.flags import Part, Usage, spelled, suggestion
from lrnn.cli.setting import Place
from lrnn.cli.verbs import VERBS


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; what comes back is the exit code: 0 done, 1 failed while working, 2 not understood, 130 Ctrl-C."""
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except BrokenPipeError:  # `lrnn tasks | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _dispatch(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        _print_verbs()
        return 0 if argv else 2
    if argv[0] == "--version":
        from lrnn import __version__

        print(f"lrnn {__version__}")
        return 0
    verb, rest = argv[0], argv[1:]
    try:
        if verb not in VERBS:
            raise Usage(f"{verb} is no verb{suggestion(verb, VERBS)}; legal are {', '.join(VERBS)}")
        VERBS[verb](rest)
    except SystemExit as stop:  # tyro has said why
        return int(stop.code or 0)
    except KeyboardInterrupt as stop:
        return _say(verb, stop, 130)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _say(verb, error, 2 if isinstance(error, FileExistsError | FileNotFoundError) else 1)
    except (ValueError, RuntimeError) as error:
        if not _is_ours(error):
            raise
        return _say(verb, _with_flags(str(error)), 2 if isinstance(error, ValueError) else 1)
    return 0


def _print_verbs() -> None:
    print("usage: lrnn VERB ...\n\nLinear recurrent networks from the command line.\n")
    for verb, function in VERBS.items():
        print(f"  {verb:<10}{(function.__doc__ or '').strip()}")
    print("\n`lrnn VERB --help` shows the flags of a verb.")


def _say(verb: str, error: BaseException | str, code: int) -> int:
    lines = [str(error) or "interrupted", *getattr(error, "__notes__", ())]
    print(f"lrnn {verb}: " + "\n".join(lines), file=sys.stderr)
    return code


def _is_ours(error: BaseException) -> bool:
    """Was it raised by lrnn, which means it is about what the user gave? Else it is a fault and shows its trace."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return module.split(".")[0] in ("lrnn", "recipes", "benchmarks")


def _with_flags(message: str) -> str:
    """`batch = 0: must be …` as `--batch 0: must be …`: the names as they are typed."""
    from lrnn.layers import MIXERS
    from lrnn.models import LanguageModelConfig
    from lrnn.tasks import TASKS
    from lrnn.train import TrainConfig

    kinds = [LanguageModelConfig, TrainConfig, Place, *(mixer.Config for mixer in MIXERS.values()), *TASKS.values()]
    names = "|".join({name for kind in kinds for name in Part(title="", kind=kind).fields()})
    message = re.sub(r"\b\w+Config:\s+", "", message)
    message = re.sub(rf"\b(?:task|model|train|mixer_config)\.(?=(?:{names})\b)", "", message)
    message = re.sub(rf"(?<![\w.-])({names}) = ", lambda found: spelled(found[1]) + " ", message)
    return re.sub(rf"(?<![\w.-])({names})(?=: | must be| is the| ')", lambda found: spelled(found[1]), message)
