"""A trunk as a classifier of actions, to begin a training of dives with."""

from aqa_jax.system import System
from aqa_jax.systems.action_classifier.network import ActionClassifier
from aqa_jax.systems.action_classifier.official_names import OFFICIAL_NAMES
from aqa_jax.tasks.actions import ActionsTask

SYSTEM = System(
  'action_classifier',
  ActionClassifier,
  lambda config, schema: (ActionsTask.create(config, schema),),
  OFFICIAL_NAMES,
)
