"""C3D-AVG, one of the paper's two networks."""

from aqa_jax.system import System
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.systems.c3davg.official_names import OFFICIAL_NAMES
from aqa_jax.tasks.chosen_tasks import chosen_tasks

SYSTEM = System('c3davg', C3DAVG, chosen_tasks, OFFICIAL_NAMES)
