"""What run and sweep folders hold, and how it is written and read."""
