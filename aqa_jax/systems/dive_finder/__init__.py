"""A network that finds the dives in a video: see README.md."""

from aqa_jax.official_names import OfficialNames
from aqa_jax.system import System
from aqa_jax.systems.dive_finder.network import DiveFinder
from aqa_jax.tasks.phases import PhasesTask

SYSTEM = System(
  'dive_finder',
  DiveFinder,
  lambda config, schema: (PhasesTask.create(config, schema),),
  # There is no official code.
  OfficialNames(modules={}, layers={}, only_in={}),
)
