import json
import pathlib

import numpy as np
import pytest

from aqa_jax import regress
from aqa_jax.configs import pose_dct as config_module
from aqa_jax.data import dive_split
from aqa_jax.features.pose_features import PoseFeatures, pose_dct
from aqa_jax.features.pose_file import filled, read_poses
from tfds_mtl_aqa.input_error import InputError

_REAL = pathlib.Path(__file__).parents[2] / 'shared/pose/joints.json'


def _poses(frames=60, parts=26, seed=0):
  rng = np.random.default_rng(seed)
  return rng.normal(100, 30, size=(frames, parts, 2)).cumsum(axis=0)


def _by_the_formula(poses, head, coefficients, segments):
  """Pirsiavash et al., number by number."""
  features = []
  for segment in np.array_split(np.arange(len(poses)), segments):
    count = len(segment)
    for k in range(coefficients):
      for axis in (0, 1):
        for part in range(poses.shape[1]):
          path = poses[segment, part, axis] - poses[segment, head, axis]
          waves = np.cos(np.pi / count * k * (np.arange(count) + 0.5))
          value = abs((path * waves).sum()) if k < count else 0.0
          features.append(value)
  return np.array(features)


@pytest.mark.parametrize(
  ('frames', 'segments', 'coefficients'), [(60, 1, 50), (30, 1, 50), (47, 3, 5)]
)
def test_is_the_formula(frames, segments, coefficients):
  poses = _poses(frames, parts=4)
  found = pose_dct(poses, 2, coefficients, segments)
  expected = _by_the_formula(poses, 2, coefficients, segments)
  np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_a_dive_has_2600_numbers():
  assert pose_dct(_poses(151), 0).shape == (2600,)


def test_shift_mirror_and_scale():
  poses = _poses()
  features = pose_dct(poses, 0)
  np.testing.assert_allclose(pose_dct(poses + [30, -7], 0), features)
  np.testing.assert_allclose(pose_dct(320 - poses, 0), features)
  np.testing.assert_allclose(pose_dct(2.5 * poses, 0), 2.5 * features)
  # Still joints have only the constant's coefficient.
  still = pose_dct(np.repeat(poses[:1], 60, axis=0), 0).reshape(50, -1)
  np.testing.assert_allclose(still[1:], 0, atol=1e-8)
  assert still[0].max() > 100


def _write(path, content):
  if path.suffix == '.npy':
    np.save(path, content)
  else:
    path.write_text(json.dumps(content))
  return path


def test_reads_arrays_and_boxes(tmp_path):
  poses = _poses(5, 33)
  with_depth = np.concatenate([poses, poses], axis=-1)
  path = _write(tmp_path / 'a.npy', with_depth)
  np.testing.assert_array_equal(read_poses(path, 'mediapipe'), poses)
  corners = _poses(5, 26)
  boxes = np.concatenate([corners - 3, corners + 5], axis=-1)
  path = _write(tmp_path / 'b.npy', boxes)
  np.testing.assert_allclose(read_poses(path, 'boxes26'), corners + 1)


def test_reads_the_best_person_of_a_frame_in_coco_results(tmp_path):
  def entry(frame, score, value, visibility=2):
    return {
      'image_id': frame,
      'score': score,
      'keypoints': [value, value + 1, visibility] * 17,
    }

  unseen = entry(2, 0.9, 5.0)
  unseen['keypoints'][2] = 0
  path = _write(
    tmp_path / 'a.json',
    [entry(1, 0.3, 80.0), unseen, entry(1, 0.8, 10.0), entry(1, 0.1, 90.0)],
  )
  poses = read_poses(path, 'coco')
  assert poses.shape == (2, 17, 2)
  np.testing.assert_array_equal(poses[0, 4], [10, 11])
  assert np.isnan(poses[1, 0]).all()
  np.testing.assert_array_equal(poses[1, 1], [5, 6])
  np.testing.assert_array_equal(filled(poses, 'a')[1, 0], [10, 11])


@pytest.mark.skipif(not _REAL.exists(), reason='the real joints are not here')
def test_reads_real_joints_of_mpii():
  poses = read_poses(_REAL, 'mpii')
  assert poses.shape == (60, 16, 2)
  # Inside of the pictures, which have 455 x 256 pixels.
  assert poses[..., 0].max() < 460 and poses[..., 1].max() < 260
  assert np.isfinite(pose_dct(filled(poses, 'real'), 9)).all()


def test_what_is_missing_is_interpolated_in_time():
  poses = np.zeros((5, 1, 2))
  poses[:, 0, 0] = [np.nan, 2, np.nan, 6, np.nan]
  poses[:, 0, 1] = [1, 1, np.nan, 5, 5]
  found = filled(poses, 'x')[:, 0]
  np.testing.assert_array_equal(found[:, 0], [2, 2, 4, 6, 6])
  # A part that lacks one of its numbers is not seen.
  np.testing.assert_array_equal(found[:, 1], [1, 1, 3, 5, 5])
  with pytest.raises(InputError, match=r'x: part 0 .* is in no frame'):
    filled(np.full((5, 1, 2), np.nan), 'x')


@pytest.mark.parametrize(
  ('name', 'content'),
  [
    ('a.npy', np.zeros((5, 16, 2))),
    ('a.npy', np.zeros((5, 17))),
    ('a.npy', np.array([{}])),
    ('a.json', []),
    ('a.json', {}),
    ('a.json', [{'image_id': 1, 'keypoints': [1, 2], 'score': 1}]),
    ('a.json', [{'image_id': 1, 'score': 1}]),
  ],
)
def test_a_wrong_file_is_named(name, content, tmp_path):
  path = _write(tmp_path / name, content)
  with pytest.raises(InputError, match=rf'{name}: '):
    read_poses(path, 'coco')
  with pytest.raises(InputError, match='is not there'):
    read_poses(tmp_path / 'b.npy', 'coco')


def _config(tiny_dives, **overrides):
  config = config_module.get_config()
  config.update_from_flattened_dict(
    {
      'dataset.name': 'simulated_dives/tiny',
      'dataset.data_dir': str(tiny_dives),
      'regressor.folds': 3,
      **overrides,
    }
  )
  return config


def test_true_joints_of_simulated_dives(tiny_dives, tmp_path):
  config = _config(tiny_dives)
  found = regress.train_and_evaluate(config, tmp_path / 'true')['test']
  assert found['num_dives'] == 8
  # The same from files, by the labels in their names.
  builder = dive_split.open_builder('simulated_dives/tiny', str(tiny_dives))
  for split in ('train', 'test'):
    dives = dive_split.load_split(builder, split)
    for index in range(len(dives)):
      dive = dives[index]
      name = f'{dive["event"]:02d}_{dive["sample"]}.npy'
      np.save(tmp_path / name, dive['poses'])
  config.features.path = f'{tmp_path}/{{event:02d}}_{{sample}}.npy'
  again = regress.train_and_evaluate(config, tmp_path / 'files')['test']
  assert again['mae'] == pytest.approx(found['mae'], rel=1e-5)


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('format', 'openpose'),
    ('coefficients', 0),
    ('segments', 0),
    ('head', 17),
    ('path', 'poses/{number}.npy'),
    ('path', 'poses/{event.x}.npy'),
    ('path', 'poses/{event'),
    ('path', 'nowhere/{event}.npy'),
  ],
)
def test_a_wrong_field_is_named(field, value, tiny_dives, tmp_path):
  config = _config(tiny_dives, **{f'features.{field}': value})
  builder = dive_split.open_builder('simulated_dives/tiny', str(tiny_dives))
  dives = dive_split.load_split(builder, 'test')
  source = PoseFeatures(config.features, tmp_path, builder.info)
  with pytest.raises(InputError) as caught:
    source.features('test', dives)
  assert field in str(caught.value)
