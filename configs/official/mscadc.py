r"""MSCADC-MTL as the official code trained it, its defects included.

python -m tfds_mtl_aqa.prepare mtl_aqa/clips_native --manual_dir=... \
  --data_dir=data
python -m aqa_jax.main --config=configs/official/mscadc.py \
  --workdir=workdir/official_mscadc --config.dataset.data_dir=data \
  --config.init_from=C3D_small_PyTorch_Trained_12.pth \
  --config.init_scope=backbone

The official code reports a Spearman of 0.8612 on the split that it chooses the
epoch by.
"""

import ml_collections

from aqa_jax.configs import mscadc


def get_config() -> ml_collections.ConfigDict:
  config = mscadc.get_config().unlock()
  config.dataset.name = 'mtl_aqa/clips_native'
  # Two words of a test caption have no place in it.
  config.dataset.vocabulary_size = 5779
  config.select_on = 'test'

  config.input.resize = (640, 360)
  config.input.interpolation = 'random'
  # In the test the resized frame is thrown away: the crop is of another scale.
  config.input.resize_evaluation = False

  config.model.caption_dropout = 0.5
  return config.lock()
