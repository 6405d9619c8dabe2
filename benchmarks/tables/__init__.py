"""The tables of docs/results/tables.md, each remade by one command: `python -m benchmarks.tables NAME`."""
