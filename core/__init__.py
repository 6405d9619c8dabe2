"""Tasks, model, training, tracing, checkpoints, frontier and command line. Knows no Streamlit and no Plotly."""

import time

STARTED = time.monotonic()
"""When the program began; the log of a training run counts from here."""

if __name__ == "core":  # imported under its bare name, as before there was `depthscope`
    from depthscope.core.old_imports import install

    install()
