"""The commands of `python -m figures`, one a file, as in `core.commands`."""
