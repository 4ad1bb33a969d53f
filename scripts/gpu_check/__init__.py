"""What the main programs cost on an NVIDIA H100, read from what XLA compiles without one.

`python -m scripts.gpu_check` compiles every program of `programs` and compares what it would
launch, move and keep with the ceilings in `ceilings.json` (see docs/accelerator.md).
"""
