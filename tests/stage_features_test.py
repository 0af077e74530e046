import dataclasses

import jax
import numpy as np
import pytest

from aqa_jax import regress
from aqa_jax.configs import s3d_stages
from aqa_jax.data import dive_split
from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.features.clip_features import ClipFeatures
from aqa_jax.features.frame_features import FrameFeatures
from aqa_jax.features.stage_features import StageFeatures, first_frames
from aqa_jax.features.trunk_layer import find_layer
from aqa_jax.judging.model_source import find_model
from tfds_mtl_aqa.input_error import InputError


def _config(workdir, tiny_dives, **overrides):
  config = s3d_stages.get_config()
  config.update_from_flattened_dict(
    {
      'dataset.name': 'simulated_dives/tiny',
      'dataset.data_dir': str(tiny_dives),
      'features.weights': str(workdir),
      'features.clip_frames': 4,
      'regressor.folds': 3,
      'regressor.strength': 1.0,
      **overrides,
    }
  )
  return config


@pytest.fixture(name='builder', scope='module')
def fixture_builder(tiny_dives):
  return dive_split.open_builder('simulated_dives/tiny', str(tiny_dives))


@pytest.fixture(name='dives', scope='module')
def fixture_dives(builder):
  return dive_split.load_split(builder, 'test').select([0, 1, 2])


def _whole_video(workdir, dive):
  """All 24 stored frames as the network sees them: 16 x 16 pixels."""
  seen = dataclasses.replace(
    find_model(workdir).video_input, window_frames=24, frames=24, max_shift=0
  )
  return make_inputs(dive, seen, (), rng=None)['video']


def test_clips_are_centred_in_their_stages():
  ends = np.array(
    [
      [21, 24, 40, 46],
      [0, 0, 50, 60],  # No beginning and no jump; the entry does not end.
      [30, 20, 40, 46],  # UNLV-Dive has such: the jump is frame 20.
    ]
  )
  assert first_frames(ends, 52, 16).tolist() == [
    # The middle of 0-21, 21-24, 24-40, 40-46 and 46-52, less 8; the last clip
    # is moved to the end.
    [2, 14, 24, 35, 36],
    [0, 0, 17, 36, 36],
    [7, 12, 22, 35, 36],
  ]
  assert first_frames(ends, 52, 1)[0].tolist() == [10, 22, 32, 43, 49]
  assert first_frames(ends, 52, 52).max() == 0


def _of_clips(workdir, video, firsts):
  """The features of clips of 4 frames, straight from the layer."""
  clips = np.stack([video[first : first + 4] for first in firsts])
  features = jax.jit(find_layer(str(workdir), 'last').features)(clips)
  assert np.abs(features).max() > 1e-3
  return np.asarray(features)


def test_a_stage_is_its_clip(
  tiny_training, tiny_dives, dives, builder, tmp_path
):
  workdir, _ = tiny_training
  jump, drop, entry, under = dives.labels['stage_ends'][1].tolist()
  firsts = [
    (jump + drop) // 2 - 2,
    (drop + entry) // 2 - 2,
    (entry + under) // 2 - 2,
    20,
  ]
  video = _whole_video(workdir, dives[1])
  expected = _of_clips(workdir, video, firsts)
  for stage, features in (('', expected.mean(axis=0)), ('entry', expected[2])):
    config = _config(workdir, tiny_dives, **{'features.stage': stage}).features
    source = StageFeatures(config, tmp_path / 'run', builder.info)
    np.testing.assert_allclose(
      source.features('test', dives)[1], features, rtol=1e-4, atol=1e-6
    )
    assert source.have_seen_training_dives()


def test_each_frame_has_a_clip_around_it(
  tiny_training, tiny_dives, dives, builder, tmp_path
):
  workdir, _ = tiny_training
  config = _config(workdir, tiny_dives).features
  source = FrameFeatures(config, tmp_path / 'run', builder.info)
  assert source.gives_sequences
  found = source.features('test', dives)
  assert found.shape[:2] == (3, 24)
  video = _whole_video(workdir, dives[2])
  # Frames that are not there are the nearest one.
  padded = np.pad(video, ((2, 1), *[(0, 0)] * 3), mode='edge')
  frames = [0, 1, 7, 23]
  np.testing.assert_allclose(
    found[2, frames],
    _of_clips(workdir, padded, frames),
    rtol=1e-4,
    atol=1e-6,
  )


def _nothing_computed(self, dives, *_):
  assert not len(dives), f'{len(dives)} dives are computed'
  return iter(())


def test_other_ends_are_other_features(
  tiny_training, tiny_dives, dives, builder, tmp_path, monkeypatch
):
  config = _config(tiny_training[0], tiny_dives).features
  source = StageFeatures(config, tmp_path / 'run', builder.info)
  first = source.features('test', dives)
  monkeypatch.setattr(ClipFeatures, 'of_dives', _nothing_computed)
  np.testing.assert_array_equal(source.features('test', dives), first)
  other = dives.select([0, 1, 2])
  other.labels['stage_ends'] = dives.labels['stage_ends'] - 3
  with pytest.raises(AssertionError, match='3 dives'):
    source.features('test', other)


def test_a_regression_on_stages(tiny_training, tiny_dives, tmp_path):
  config = _config(tiny_training[0], tiny_dives)
  found = regress.train_and_evaluate(config, tmp_path / 'run')['test']
  assert found['num_dives'] == 8
  # The network was trained on these dives.
  assert 'score_interval' not in found
  report = (tmp_path / 'run/report_test.html').read_text()
  assert 'jump, drop, entry, ending' in report


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('stage', 'landing'),
    ('stages', '/nowhere'),
    ('clip_frames', 25),
    ('clip_frames', 0),
    ('layer', 'c6'),
  ],
)
def test_a_wrong_field_is_named(
  field, value, tiny_training, tiny_dives, dives, builder, tmp_path
):
  config = _config(tiny_training[0], tiny_dives, **{f'features.{field}': value})
  source = StageFeatures(config.features, tmp_path / 'run', builder.info)
  with pytest.raises(
    InputError, match=f'config.features.{field}=|/nowhere: '
  ) as caught:
    source.features('test', dives)
  assert '\n' not in str(caught.value)


def test_a_training_on_videos_tells_no_stages(
  tiny_training, tiny_dives, dives, builder, tmp_path
):
  workdir = str(tiny_training[0])
  config = _config(workdir, tiny_dives, **{'features.stages': workdir})
  source = StageFeatures(config.features, tmp_path / 'run', builder.info)
  with pytest.raises(InputError, match=r'is not a training of configs/ed_tcn'):
    source.features('test', dives)
