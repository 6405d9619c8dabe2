"""What can be read from a state: the readout, linear probes, their margins and scores."""
