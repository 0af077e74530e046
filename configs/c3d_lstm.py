r"""C3D-LSTM (Parmar & Morris, CVPR workshops 2017) on any trunk of ours.

python -m aqa_jax.main --config=configs/c3d_lstm.py --workdir=workdir/lstm \
  --config.dataset.name=simulated_dives/quickstart \
  --config.dataset.data_dir=data \
  --config.features.weights=workdir/toy \
  --config.features.clip_frames=8 --config.features.clip_stride=4

An LSTM over the features of clips of 16 frames. The trunk is not trained
further: see `configs/c3d_svr.py`. `--config.model.labels=incremental` gives
clip k of n the label k / n of the score. The authors do not state the batch;
their weight decay of 0.005 (vaults 0.0005) was Caffe's, here it is AdamW's;
their clipping, of the LSTM's gradients, is here of the whole gradient. For
vaults they train 3000 steps.
"""

import ml_collections

from aqa_jax.configs import c3d_svr, c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.tasks = 'score'
  config.duration = '6000 steps'
  config.batch_size = 8
  config.eval_batch_size = 64
  config.compute_dtype = 'float32'

  # In place of a video, what a frozen trunk makes of it.
  del config.input
  config.features = c3d_svr.get_config().features
  config.features.clip_stride = 16
  config.features.pool = 'none'

  config.network = 'c3d_lstm'
  config.model = ml_collections.ConfigDict()
  config.model.hidden = 256
  # 'final' or 'incremental'.
  config.model.labels = 'final'
  # Points of an output of 1; 0: the standard deviation of the scores that are
  # trained on.
  config.model.score_unit = 0.0
  config.model.initial_score = 0.0
  # Of the first weights; 0 for PyTorch's initialisation.
  config.model.lstm_deviation = 0.1
  config.model.fc1_deviation = 0.005

  config.optimizer.learning_rate = 1e-3
  config.optimizer.clip_norm = 0.1
  config.optimizer.weight_decay = 0.005
  config.optimizer.reference_batch_size = 8

  config.checkpoint_every = '200 steps'
  return config.lock()
