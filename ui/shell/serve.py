"""Starts the app: `depthscope app` is `streamlit run app.py`, with the slowest imports under way.

Arguments are passed on: `depthscope app --server.port 8600 -- --adapter my.module:Model`.
"""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

from depthscope.core.files import places

APP = Path(__file__).parents[2] / "app.py"


def warm() -> None:
    """Imports what the first page computes with, and nothing of Streamlit, while the server starts."""
    for name in (
        "torch",
        "depthscope.core.trace",
        "depthscope.probes.reading.of_trace",
        "depthscope.figures.linked_views.payload",
        "depthscope.figures.report_page.report",
    ):
        importlib.import_module(name)


def main(arguments: list[str]) -> None:
    """Runs Streamlit's own command."""
    try:
        from streamlit.web import cli
    except ModuleNotFoundError:
        print(f"error: the app's packages are not installed: {places.install('app')}", file=sys.stderr)
        raise SystemExit(2) from None

    threading.Thread(target=warm, daemon=True).start()
    sys.argv = ["streamlit", "run", str(APP), *arguments]
    cli.main(prog_name="streamlit")


if __name__ == "__main__":
    main(sys.argv[1:])
