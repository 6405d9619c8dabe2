"""The parts of a sweep: its plan, the records of its runs, and what a worker does; `core.sweeps.run` conducts them."""
