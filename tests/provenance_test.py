import importlib.metadata

import numpy as np

from aqa_jax.training import provenance


class _Dives:
  labels = {'event': np.arange(3)}

  def __len__(self):
    return 3


def test_training_from_a_folder_that_pip_does_not_know(monkeypatch):
  version = importlib.metadata.version

  def of_others(name):
    if name == 'aqa_jax':
      raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

  monkeypatch.setattr(importlib.metadata, 'version', of_others)
  words = ('<eos>', '<sos>', 'pike')
  origin = provenance.describe({'seed': 0}, 'dives/1.0.0', _Dives(), words)
  assert origin['versions']['aqa_jax'] == 'not installed'
  assert origin['versions']['numpy'] == np.__version__
  assert origin['dataset']['training dives'] == 3
