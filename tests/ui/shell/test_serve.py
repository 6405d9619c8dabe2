"""The short way to start the app is Streamlit's own, with imports that know nothing of Streamlit ahead of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from depthscope.ui.shell import serve


@pytest.mark.slow
def test_it_runs_streamlit_on_the_app_with_the_arguments_passed_on() -> None:
    code = (
        "import sys; from depthscope.ui.shell import serve; from streamlit.web import cli\n"
        "cli.main = lambda prog_name: print(prog_name, *sys.argv)\n"
        "serve.warm = lambda: None; serve.main(['--server.port', '8600'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=serve.APP.parent)
    assert ran.stdout.split() == ["streamlit", "streamlit", "run", str(serve.APP), "--server.port", "8600"]


@pytest.mark.slow
def test_what_is_imported_ahead_is_not_streamlit() -> None:
    code = (
        "import sys; from depthscope.ui.shell import serve; serve.warm(); "
        "print('torch' in sys.modules, 'streamlit' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=serve.APP.parent)
    assert ran.stdout.split() == ["True", "False"]
