"""Runs, sweeps and trainings in folders of their own."""
