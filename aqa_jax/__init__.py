"""Multitask action quality assessment in JAX and Flax."""
