"""Names of C3D-AVG's variables in the official code."""

from aqa_jax.official_names import OfficialNames

OFFICIAL_NAMES = OfficialNames(
  modules={
    'c3d': 'model_CNN',
    'fc6': 'model_my_fc6',
    'score_regressor': 'model_score_regressor',
    'dive_classifier': 'model_dive_classifier',
    'captioner': 'model_caption',
  },
  layers={
    'fc6': 'fc',
    'final_score': 'fc_final_score',
    'position': 'fc_position',
    'armstand': 'fc_armstand',
    'rotation_type': 'fc_rot_type',
    'somersaults': 'fc_ss_no',
    'twists': 'fc_tw_no',
    'embed': 'embedding',
  },
  only_in={
    'model_score_regressor': ('fc_final_score',),
    'model_dive_classifier': ('fc_position',),
    'model_caption': ('rnn1',),
  },
)
