"""A toy MSCADC-MTL on simulated dives, beside the toy of `quickstart.py`.

python -m aqa_jax.main --config=configs/quickstart_mscadc.py \
    --workdir=workdir/toy_mscadc --config.dataset.data_dir=data
"""

import ml_collections

from aqa_jax.configs import mscadc, quickstart


def get_config() -> ml_collections.ConfigDict:
  config = quickstart.get_config().unlock()
  # Every third frame, to the last.
  config.input.frames = 16
  config.input.stride = 3.0

  config.network = 'mscadc'
  toy = config.model
  config.model = mscadc.get_config().model
  config.model.unlock()
  config.model.width = 8
  config.model.head_channels = 3
  config.model.dropout = 0.1
  config.model.initial_score = toy.initial_score
  config.model.caption_length = toy.caption_length
  config.model.caption_hidden = toy.caption_hidden
  config.model.caption_embedding = toy.caption_embedding
  return config.lock()
