r"""What is best on simulated dives within the budget of `quickstart.py`.

python -m aqa_jax.main --config=configs/best_small.py \
  --workdir=workdir/small --config.dataset.data_dir=data

The difficulty is given; beside the execution the network learns the classes,
the faults, and a commentary that looks at the video.
"""

import ml_collections

from aqa_jax.configs import quickstart_commentary


def get_config() -> ml_collections.ConfigDict:
  config = quickstart_commentary.get_config().unlock()
  # The difficulty is known before a dive: the network learns the rest.
  config.tasks = 'execution,classes,faults,commentary'
  return config.lock()
