"""`python -m sandwich_jax.cli`."""

from sandwich_jax.cli import main

main()
