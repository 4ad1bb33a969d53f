"""The world: run folders, checkpoints, logs, players by name, the terminal."""
