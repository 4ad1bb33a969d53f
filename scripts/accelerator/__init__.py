"""The stages of `scripts/on_accelerator.py`; what they run is the project's own."""
