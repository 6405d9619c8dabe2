"""`python -m figures`."""

import sys

try:
    from figures.cli import main

    status = main()
except KeyboardInterrupt:  # while it was still being imported
    status = 130
sys.exit(status)
