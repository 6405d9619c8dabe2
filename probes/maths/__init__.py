"""Methods that know nothing of checkpoints."""
