"""Starts the app: `python -m ui.serve` is `streamlit run app.py`, with the slowest imports under way meanwhile.

Arguments are passed on: `python -m ui.serve --server.port 8600 -- --adapter my.module:Model`.
"""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

APP = Path(__file__).parent.parent / "app.py"


def warm() -> None:
    """Imports what the first page computes with, and nothing of Streamlit, while the server starts."""
    for name in ("torch", "core.trace", "probes.readings", "figures.linked_views", "figures.report"):
        importlib.import_module(name)


def main() -> None:
    """Runs Streamlit's own command."""
    try:
        from streamlit.web import cli
    except ModuleNotFoundError:
        print("error: the app's packages are not installed: pip install -e '.[app]'", file=sys.stderr)
        raise SystemExit(2) from None

    threading.Thread(target=warm, daemon=True).start()
    sys.argv = ["streamlit", "run", str(APP), *sys.argv[1:]]
    cli.main(prog_name="streamlit")


if __name__ == "__main__":
    main()
