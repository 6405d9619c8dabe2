"""The instruments: each measures one thing inside a model, with its control beside it. Knows core, and no page."""

if __name__ == "probes":  # imported under its bare name, as before there was `depthscope`
    from depthscope.core.old_imports import install

    install()
