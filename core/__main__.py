"""`python -m core`."""

import sys

try:
    from depthscope.core.cli import main

    status = main()
except KeyboardInterrupt:  # while it was still being imported
    status = 130
sys.exit(status)
