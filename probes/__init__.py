"""The instruments: each measures one thing inside a model, with its control beside it. Knows core, and no page."""
