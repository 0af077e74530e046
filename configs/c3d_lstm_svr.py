r"""C3D-LSTM-SVR (Parmar & Morris, CVPR workshops 2017), after C3D-LSTM.

python -m aqa_jax.main --config=configs/c3d_lstm_svr.py \
  --workdir=workdir/lstm_svr \
  --config.dataset.name=simulated_dives/quickstart \
  --config.dataset.data_dir=data --config.features.weights=workdir/lstm

A linear SVR on the last output of the LSTM, 256 numbers, of a training of
`configs/c3d_lstm.py`. Its strength is chosen by training dives left out of the
regression, which the LSTM has learned from: there is no interval of a score.
"""

import ml_collections

from aqa_jax.configs import c3d_svr


def get_config() -> ml_collections.ConfigDict:
  config = c3d_svr.get_config().unlock()
  config.features = ml_collections.ConfigDict()
  config.features.source = 'lstm'
  # The workdir of a training of configs/c3d_lstm.py.
  config.features.weights = ''
  config.regressor.scaling = 'none'
  return config.lock()
