"""Every parser of the project on inputs that are nearly right: `python -m benchmarks.robustness.fuzz`."""
