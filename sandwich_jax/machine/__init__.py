"""What a process stands on: devices, a cluster, signals, the terminal."""
