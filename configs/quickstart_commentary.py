r"""The toy of `quickstart.py` with a decoder that attends to the video.

  python -m aqa_jax.main --config=configs/quickstart_commentary.py \
    --workdir=workdir/toy_commentary

For a dataset that does not know the faults of its dives,
--config.tasks=score,classes,commentary.
"""

import ml_collections

from aqa_jax.configs import quickstart


def get_config() -> ml_collections.ConfigDict:
  config = quickstart.get_config().unlock()
  config.tasks = 'score,classes,faults,commentary'
  config.loss_weights.faults = 3.0
  config.loss_weights.commentary = 0.03
  config.model.caption_layers = 2
  config.model.caption_heads = 4
  config.model.caption_beams = 4
  config.model.caption_maps = 'c4'
  return config.lock()
