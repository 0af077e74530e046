r"""What is best on simulated dives within the budget of `quickstart.py`.

python -m aqa_jax.main --config=configs/best_small.py \
  --workdir=workdir/small --config.dataset.data_dir=data

The difficulty is given; the network learns the rest: the execution, and beside
it the classes, the faults, and a commentary that looks at the video. Expect, on
400 dives of other events (seeds 0, 1 and 2, 2026-11-28): Spearman of the score
0.896 to 0.902, of the execution 0.819 to 0.845; the score off by 5.3 points on
average, its 90 % interval 11 points to each side; BLEU-4 0.27. `quickstart.py`,
which is not told the difficulty: 0.773 to 0.818, 0.618 to 0.681.
"""

import ml_collections

from aqa_jax.configs import quickstart_commentary


def get_config() -> ml_collections.ConfigDict:
  config = quickstart_commentary.get_config().unlock()
  # The difficulty is known before a dive: the network learns the rest.
  config.tasks = 'execution,classes,faults,commentary'
  return config.lock()
