"""Names of MSCADC's variables in the official code."""

from aqa_jax.official_names import OfficialNames

OFFICIAL_NAMES = OfficialNames(
  modules={
    'c3d': 'model_CNN',
    'score_regressor': 'model_score_regressor',
    'dive_classifier': 'model_dive_classifier',
    'caption_head': 'model_caption',
    'captioner': 'model_caption',
  },
  layers={
    'conv3_rotation_type': 'conv3_rot_type',
    'conv3_somersaults': 'conv3_ss_no',
    'conv3_twists': 'conv3_tw_no',
    'embed': 'embedding',
  },
  only_in={
    'model_dive_classifier': ('head_conv3_position',),
    'model_caption': ('rnn1',),
  },
  # The prefixes distinguish the context net's layers from the others.
  prefixes=dict.fromkeys(
    ('score_regressor', 'dive_classifier', 'caption_head'), 'head_'
  ),
  nested_prefixes={'context_net': 'cntxt_'},
)
