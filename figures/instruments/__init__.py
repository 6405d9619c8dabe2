"""The figures of each instrument, one module for each."""
