import os

import numpy as np
import pytest

from aqa_jax import files


def test_write_atomically_keeps_the_old_file_on_failure(tmp_path, monkeypatch):
  path = tmp_path / 'file.json'
  files.write_atomically(path, 'old\r\n')
  assert path.read_bytes() == b'old\r\n'

  def fail(*_):
    raise OSError('disk full')

  monkeypatch.setattr(os, 'replace', fail)
  with pytest.raises(OSError, match='disk full'):
    files.write_atomically(path, 'new')
  assert path.read_bytes() == b'old\r\n'
  assert list(tmp_path.iterdir()) == [path]


def test_json_ready():
  value = {
    1: (np.float32(np.nan), np.int64(3), None),
    'b': {'c': np.array([1.5, -np.inf])},
    'd': 'x',
  }
  assert files.json_ready(value) == {
    '1': [None, 3, None],
    'b': {'c': [1.5, None]},
    'd': 'x',
  }
