"""Schema of the scheduler's database."""
