"""Schema of the processor's database."""
