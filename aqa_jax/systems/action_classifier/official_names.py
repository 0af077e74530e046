"""Names of a trunk's variables in the official code."""

from aqa_jax.official_names import OfficialNames

# The paper's code has trunks as files of their own, and no classifier.
OFFICIAL_NAMES = OfficialNames(
  modules={'c3d': 'model_CNN'}, layers={}, only_in={}
)
