"""The tables of RESULTS.md, each remade by one command: `python -m benchmarks.tables NAME`."""
