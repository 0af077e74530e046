"""The comparison of an exported program with its network."""

import numpy as np
import pytest

from aqa_jax.exporting import self_check


def test_differences():
  wanted = {
    'score': np.array([50.0, 60.0], np.float32),
    'captions': np.array([[1, 2]], np.int32),
  }
  same = self_check.difference(wanted, wanted)
  assert same.is_small and same.largest == 0
  near = wanted | {'score': np.array([50.0, 60.003], np.float32)}
  found = self_check.difference(wanted, near)
  assert found.is_small and found.largest == pytest.approx(5e-5, rel=0.01)
  for changed in (
    {'score': np.array([50.0, 60.01], np.float32)},
    {'score': np.array([50.0, np.nan], np.float32)},
    {'captions': np.array([[1, 3]], np.int32)},
  ):
    assert not self_check.difference(wanted, wanted | changed).is_small
  assert 'captions differ' in str(self_check.difference(wanted, near | changed))
  with pytest.raises(ValueError, match='instead of'):
    self_check.difference(wanted, {'score': wanted['score']})
