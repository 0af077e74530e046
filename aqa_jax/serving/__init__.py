"""The page and the endpoint that judge videos: `python -m aqa_jax.serve`."""
