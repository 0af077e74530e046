"""MSCADC, one of the paper's two networks."""

from aqa_jax.system import System
from aqa_jax.systems.mscadc.network import MSCADC
from aqa_jax.systems.mscadc.official_names import OFFICIAL_NAMES
from aqa_jax.tasks.chosen_tasks import chosen_tasks

SYSTEM = System('mscadc', MSCADC, chosen_tasks, OFFICIAL_NAMES)
