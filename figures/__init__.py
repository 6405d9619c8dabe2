"""Figures: pure functions from a Trace or a result to what is seen; no Streamlit in here."""

if __name__ == "figures":  # imported under its bare name, as before there was `depthscope`
    from depthscope.core.old_imports import install

    install()
