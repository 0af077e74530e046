r"""What is likely to be best on MTL-AQA: I3D, CoRe's head, a commentary.

  python -m aqa_jax.main --config=configs/best.py --workdir=workdir/best \
    --config.dataset.data_dir=data

For one GPU. Nothing of it was measured here: neither a figure nor a time. The
authors of CoRe (Yu et al., ICCV 2021) state a Spearman of 0.9512 on the test
split, and a relative L2 of 0.260 (x 100), for this head on this trunk, with
these hyperparameters: alone, 200 epochs, the difficulty given, by the epoch
that is best on the test split itself. Classes and commentary beside it are
ours: the classes tell the difficulty of a video where nobody does.

I3D begins with the weights of Kinetics-400: pip install -e '.[i3d]'.
"""

import ml_collections

from aqa_jax.configs import i3d


def get_config() -> ml_collections.ConfigDict:
  config = i3d.get_config().unlock()
  config.tasks = 'relative_score,classes,commentary'
  config.init_from = 'i3d'
  config.init_scope = 'backbone'
  # As CoRe has them.
  config.duration = '200 epochs'
  config.batch_size = 2
  config.model.frozen_statistics = True
  config.optimizer.learning_rate = 1e-3
  config.optimizer.trunk_factor = 0.1
  config.optimizer.weight_decay = 0.0
  config.optimizer.reference_batch_size = 2

  # 17 GB of the machine's memory; 'none' decodes each frame again every epoch.
  config.input.cache = 'memory'
  return config.lock()
