"""The instruments on the command line, one module each: NAME, SUMMARY, `add(parser)` and `run(args)`."""
