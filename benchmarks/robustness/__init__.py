"""What may go wrong: damaged files, full disks, killed trainings, many visits."""
