"""What all instruments share: intervals, controls, instances, progress."""
