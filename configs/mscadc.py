"""MSCADC-MTL on MTL-AQA, as in the paper (section 5).

  python -m aqa_jax.main --config=configs/mscadc.py --workdir=workdir/mscadc

The paper reports a Spearman of 0.8612 on the test split (MSCADC-STL: 0.8472),
with a trunk trained on other videos beforehand and the epoch chosen on the test
split itself.
"""

import ml_collections

from aqa_jax.configs import c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.dataset.name = 'mtl_aqa/clips_640x360'
  config.input.frames = 16
  config.input.stride = 6.5
  config.input.anchor = 'start'
  config.input.crop = 180

  config.network = 'mscadc'
  config.model = ml_collections.ConfigDict()
  config.model.width = 32
  config.model.head_channels = 12
  config.model.dropout = 0.5
  config.model.initial_score = 0.0
  # 1: BatchNorm over the whole batch, on however many devices it lies. More:
  # that many parts of the batch, each for itself.
  config.model.statistics_groups = 1
  config.model.caption_length = 100
  config.model.caption_hidden = 512
  config.model.caption_embedding = 512
  config.model.caption_dropout = 0.2
  return config.lock()
