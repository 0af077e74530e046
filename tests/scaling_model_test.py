"""The model of how training scales, against values worked out by hand."""

import pytest

from aqa_jax.profiling.scaling_model import Chip, describe, efficiency

# 40 Gflop/s of 100, and 5 GB/s of 10.
_CHIP = Chip(flops=100e9, link_bytes=10e9)


def test_efficiency():
  # A second of computing; 2 x 7/8 x 2 GB at 5 GB/s, 0.7 s.
  assert efficiency(_CHIP, 8, 40e9, 2e9) == pytest.approx(1 / 1.7)
  assert efficiency(_CHIP, 1, 40e9, 2e9) == 1
  # A sum over very many devices takes no longer than twice its bytes.
  assert efficiency(_CHIP, 10**9, 40e9, 2e9) == pytest.approx(1 / 1.8)


def test_it_is_called_a_model():
  assert describe('TPU v5 lite', 8, 1e12, 3e8).startswith('Model, not measured')
  assert 'no published figures of cpu' in describe('cpu', 8, 1e12, 3e8)
