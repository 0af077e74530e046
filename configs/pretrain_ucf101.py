r"""C3D as a classifier of the 101 actions of UCF-101, as in the paper.

The folder is what UCF101.rar unpacks to: a folder for each class.

  python -m aqa_jax.main --config=configs/pretrain_ucf101.py \
    --workdir=workdir/ucf101 --config.dataset.name=/path/to/UCF-101

Or TFDS's own ucf101 (its first official split), with TensorFlow and ffmpeg:

  python -c "import tensorflow_datasets as tfds; tfds.builder(
    'ucf101/ucf101_1', data_dir='data', file_format='array_record'
    ).download_and_prepare()"
  python -m aqa_jax.main --config=configs/pretrain_ucf101.py \
    --workdir=workdir/ucf101 --config.dataset.name=ucf101/ucf101_1 \
    --config.dataset.data_dir=data

Then --config.init_from=workdir/ucf101 --config.init_scope=backbone. For MSCADC:

  --config.model.trunk=dilated_c3d --config.model.width=32 \
  --config.input.height=240 --config.input.width=320 --config.input.crop=180
"""

import ml_collections

from aqa_jax.configs import c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.tasks = 'actions'
  config.duration = '30 epochs'
  config.batch_size = 30
  config.eval_batch_size = 30

  # A folder of class-named folders of videos; or TFDS's ucf101/ucf101_1, which
  # needs TensorFlow.
  config.dataset = ml_collections.ConfigDict()
  config.dataset.name = 'UCF-101'
  config.dataset.data_dir = ''
  config.dataset.train_split = 'train'

  # Of a folder: of each class's recordings. Of a TFDS dataset: its split.
  config.validation = ml_collections.ConfigDict()
  config.validation.fraction = 0.1
  config.validation.seed = 0
  config.validation.split = 'test'

  config.input = ml_collections.ConfigDict()
  config.input.frames = 16
  config.input.stride = 1
  config.input.height = 128
  config.input.width = 171
  config.input.crop = 112
  config.input.flip = True

  config.network = 'action_classifier'
  config.model = ml_collections.ConfigDict()
  config.model.trunk = 'c3d'
  config.model.width = 64
  config.model.fc6 = 4096
  config.model.dropout = 0.5
  return config.lock()
