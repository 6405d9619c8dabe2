"""The commands of `python -m core`, one a file: `add` declares the arguments, `run` does the work and prints."""
