"""A player by its spelling, matches between players, and a seat for a human."""
