r"""A toy of `dilated_classifier.py` on simulated dives, for two CPU cores.

python -m aqa_jax.main --config=configs/quickstart_dilated_classifier.py \
  --workdir=workdir/toy_classifier --config.dataset.data_dir=data
"""

import ml_collections

from aqa_jax.configs import dilated_classifier, quickstart


def get_config() -> ml_collections.ConfigDict:
  # The same frames as the toy C3D-AVG.
  config = quickstart.get_config().unlock()
  config.tasks = 'classes'

  config.network = 'dilated_classifier'
  toy = config.model
  config.model = dilated_classifier.get_config().model
  config.model.unlock()
  config.model.width = 8
  config.model.dropout = 0.1
  config.model.initial_score = toy.initial_score
  return config.lock()
