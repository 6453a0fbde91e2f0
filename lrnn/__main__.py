"""`python -m lrnn` is the command `lrnn`."""

import sys

from lrnn.cli import main

sys.exit(main())
