r"""C3D-LSTM as its authors trained it later, in PyTorch.

python -m aqa_jax.main --config=configs/c3d_lstm_pytorch.py \
  --workdir=workdir/lstm_pytorch \
  --config.dataset.name=simulated_dives/quickstart \
  --config.dataset.data_dir=data \
  --config.features.weights=workdir/toy \
  --config.features.clip_frames=8 --config.features.clip_stride=4

10 epochs at 1e-4, half of it after the fifth; scores in units of their
standard deviation, with PyTorch's initialisation. Of 96 frames the authors take
five clips, which begin at 0 to 64; here six, and the last ends with the dive.
"""

import ml_collections

from aqa_jax.configs import c3d_lstm


def get_config() -> ml_collections.ConfigDict:
  config = c3d_lstm.get_config().unlock()
  config.duration = '10 epochs'
  config.batch_size = 6
  config.model.lstm_deviation = 0.0
  config.model.fc1_deviation = 0.0
  config.optimizer.learning_rate = 1e-4
  config.optimizer.schedule = 'halved'
  config.optimizer.clip_norm = 0.0
  config.optimizer.weight_decay = 0.0
  config.optimizer.reference_batch_size = 6
  config.checkpoint_every = '1 epoch'
  return config.lock()
