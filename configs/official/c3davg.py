r"""C3D-AVG-MTL as the official code trained it, its defects included.

python -m tfds_mtl_aqa.prepare mtl_aqa/clips_native --manual_dir=... \
  --data_dir=data
python -m aqa_jax.main --config=configs/official/c3davg.py \
  --workdir=workdir/official --config.dataset.data_dir=data \
  --config.init_from=c3d.pickle --config.init_scope=backbone

The official code begins with the C3D of Sports-1M and reports a Spearman of
0.9044 on the split that it chooses the epoch by.
"""

import ml_collections

from aqa_jax.configs import c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.dataset.name = 'mtl_aqa/clips_native'
  # Two words of a test caption have no place in it.
  config.dataset.vocabulary_size = 5779
  config.select_on = 'test'

  # The window's last 7 frames, with entry and splash, are never seen.
  config.input.anchor = 'start'
  config.input.resize = (171, 128)
  config.input.interpolation = 'random'

  config.model.caption_dropout = 0.5
  return config.lock()
