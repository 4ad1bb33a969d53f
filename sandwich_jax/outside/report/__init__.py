"""Pictures and games of a run."""
