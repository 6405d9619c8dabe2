"""The lines that compute what is shown, to copy: of a shell, of Python, and what they need first."""

from __future__ import annotations

import streamlit as st

from depthscope.ui.visit import uploads as own
from depthscope.ui.widgets.text import plain


def show(command: str, code: str | None = None) -> None:
    """A command, Python that does the same, and how a checkpoint that is this visit's own comes to where they run."""
    held = next((held.name for held in own.mine() if held.name in command), None)
    if held is not None:
        st.caption(
            f"{plain(held)} is held for this visit: *Download* it on the Checkpoints page and unpack it in the folder "
            "where these lines run, or keep it there under a name of its own."
        )
    st.code(command, language="bash", wrap_lines=True)
    if code is not None:
        st.code(code, language="python", wrap_lines=True)
