"""`python -m figures`."""

import sys

try:
    from depthscope.figures.cli import main

    status = main()
except KeyboardInterrupt:  # while it was still being imported
    status = 130
sys.exit(status)
