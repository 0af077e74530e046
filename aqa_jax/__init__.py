"""Multitask action quality assessment in JAX and Flax."""

import time

# time.monotonic() of a program's start: before JAX and the rest are imported.
STARTED = time.monotonic()
