"""The parts of a sweep: its plan, the records in one SQLite file, locks between workers, and what a worker does.

`core.sweeps.run` conducts them.
"""
