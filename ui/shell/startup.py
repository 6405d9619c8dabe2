"""What is named when the app starts: `streamlit run app.py -- --adapter MODULE:CLASS`, `--task MODULE:TASK`.

Or in the environment, DEPTHSCOPE_ADAPTERS and DEPTHSCOPE_TASKS.
A page, a URL or an upload never names Python; whoever starts the server does.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import streamlit as st
import torch
from threadpoolctl import threadpool_limits

from depthscope.core import kinds as adapters, tasks
from depthscope.core.errors import InputError
from depthscope.probes import registry
from depthscope.ui.widgets.text import plain, whole


@st.cache_resource(show_spinner=False)
def _problem() -> str | None:
    """Names tasks, adapters and instruments once for the life of the server; one sentence if that fails."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--adapter", action="append", default=[])
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--instrument", action="append", default=[])
    try:
        given, unknown = parser.parse_known_args(sys.argv[1:])
        if unknown:
            return f"The app does not know {unknown[0]!r}; it was started with it."
        tasks.name_all(given.task)
        adapters.name_all(given.adapter)
        registry.name_all(given.instrument)
    except argparse.ArgumentError as error:
        return f"The app was started with arguments that cannot be read: {error}"
    except InputError as error:
        return f"What was named at start-up is left out: {error}"
    return None


@st.cache_resource(show_spinner=False)
def one_thread() -> Any:
    """Lets a run and its linear algebra use one thread each, for the life of the server.

    Visitors share the cores. Small matrices gain nothing by more threads, and where something else holds a core they
    wait for it at every one of them: runs of 32 nodes took 4 to 16 times as long.
    """
    torch.set_num_threads(1)
    return threadpool_limits(1)


def read_only() -> bool:
    """Whether visitors may write nothing to this server and make it fetch nothing: DEPTHSCOPE_READ_ONLY=1."""
    return os.environ.get("DEPTHSCOPE_READ_ONLY", "") not in ("", "0")


def name_adapters() -> None:
    """Lets the user's own kinds, tasks and instruments be opened and run; every page says so if that failed."""
    problem = _problem()
    if problem:
        st.warning(plain(whole(problem)))
