"""`python -m recipes NAME FOLDER` runs a study and prints its table."""

import sys

from lrnn.analysis import run_study
from lrnn.cli.printing import print_table
from recipes import RECIPES


def main() -> None:
    """Run the study that is named on the command line."""
    if len(sys.argv) != 3 or sys.argv[1] not in RECIPES:
        sys.exit(f"usage: python -m recipes NAME FOLDER, with NAME one of {', '.join(RECIPES)}")
    outcome = run_study(RECIPES[sys.argv[1]](), sys.argv[2])
    print_table(outcome.study.question, outcome.columns, outcome.rows)
    print(f"report: {outcome.report}")


if __name__ == "__main__":
    main()
