"""A model as a folder of files."""

import json
import shutil

import jax
import numpy as np
import pytest
import safetensors.numpy
import yaml

import aqa_jax
from aqa_jax import bundle
from aqa_jax.evaluation.conformal import read_intervals
from aqa_jax.judging import finder_model, model_folder, weights_file
from aqa_jax.judging.model_source import find_model
from tfds_mtl_aqa.input_error import InputError

_VIDEO = np.random.default_rng(0).integers(0, 256, (30, 24, 32, 3), np.uint8)


def test_a_folder_holds_what_it_says(tiny_training, model_dir):
  workdir, _ = tiny_training
  assert sorted(file.name for file in model_dir.iterdir()) == [
    'README.md', 'evaluation.json', 'model.json', 'model.safetensors',
  ]  # fmt: skip
  model, original = find_model(model_dir), find_model(workdir)
  for found, expected in zip(
    jax.tree.leaves(model.variables),
    jax.tree.leaves(dict(original.variables)),
    strict=True,
  ):
    np.testing.assert_array_equal(found, expected)
  for name in ('schema', 'frame_format', 'dataset', 'step', 'video_input'):
    assert getattr(model, name) == getattr(original, name)
  _, front, _ = (model_dir / 'README.md').read_text().split('---\n', 2)
  card = yaml.safe_load(front)
  assert card['license'] == 'apache-2.0' and card['model-index']
  # Nothing of the machine that it was trained on.
  assert str(workdir) not in (model_dir / 'model.json').read_text()


def test_float16_takes_half_the_room(tiny_training, model_dir, judge, tmp_path):
  bundle.main(
    [f'--workdir={tiny_training[0]}', f'--out={tmp_path}', '--dtype=float16']
  )
  stored = safetensors.numpy.load_file(tmp_path / 'model.safetensors')
  assert {str(a.dtype) for a in stored.values()} == {'float16', 'int32'} or {
    str(a.dtype) for a in stored.values()
  } == {'float16'}
  sizes = [
    (path / 'model.safetensors').stat().st_size
    for path in (model_dir, tmp_path)
  ]
  assert sizes[1] < 0.7 * sizes[0]
  assert aqa_jax.load(tmp_path)(_VIDEO).score == pytest.approx(
    judge(_VIDEO).score, rel=1e-2
  )


def _damage_json(model_dir):
  (model_dir / 'model.json').write_text('{"format": 1}')


def _damage_weights(model_dir):
  path = model_dir / 'model.safetensors'
  path.write_bytes(path.read_bytes()[:-100])


def _change_shape(model_dir):
  path = model_dir / 'model.safetensors'
  weights = safetensors.numpy.load_file(path)
  name = next(name for name in weights if name.endswith('kernel'))
  weights[name] = weights[name][..., :1]
  safetensors.numpy.save_file(weights, path)


def _remove_weights(model_dir):
  (model_dir / 'model.safetensors').unlink()


def _of_another_version(model_dir):
  (model_dir / 'model.json').write_text('{"format": 99}')


@pytest.mark.parametrize(
  'damage',
  [
    _damage_json,
    _damage_weights,
    _change_shape,
    _remove_weights,
    _of_another_version,
  ],
)
def test_damaged_folders(model_dir, tmp_path, damage):
  model_folder.write_model(find_model(model_dir), tmp_path)
  damage(tmp_path)
  with pytest.raises(InputError, match=r'model\.(json|safetensors)'):
    find_model(tmp_path)


@pytest.mark.parametrize(
  'content, message',
  [
    ('{"step": 1, "absolute_errors": [1.0]}', 'not of the best'),
    ('[1.0]', 'is damaged'),
    ('{"step": 0}', 'is damaged'),
  ],
)
def test_errors_of_another_checkpoint(tmp_path, content, message):
  (tmp_path / 'calibration.json').write_text(content)
  with pytest.raises(InputError, match=message):
    read_intervals(tmp_path, 0)
  assert read_intervals(tmp_path / 'absent', 0) is None


def test_folders_without_a_model(tmp_path):
  with pytest.raises(InputError, match='holds no model'):
    find_model(tmp_path)


def test_official_files(tmp_path):
  """Heads alone are no network; the message names what is missing."""
  from aqa_jax.weights.torch_file import write_torch_file

  write_torch_file(
    tmp_path / 'model_score_regressor_94.pth',
    {
      'fc_final_score.weight': np.zeros((1, 4096), np.float32),
      'fc_final_score.bias': np.zeros(1, np.float32),
    },
  )
  with pytest.raises(InputError, match='lacks the weights of c3d'):
    find_model(tmp_path)


def test_a_folder_for_the_model_that_holds_others(model_dir, tmp_path):
  (tmp_path / 'README.md').write_text('mine')
  with pytest.raises(InputError, match='holds other files'):
    bundle.main([f'--workdir={model_dir}', f'--out={tmp_path}'])
  assert (tmp_path / 'README.md').read_text() == 'mine'
  # A model may be written anew.
  model_folder.write_model(find_model(model_dir), tmp_path / 'model')
  bundle.main([f'--workdir={model_dir}', f'--out={tmp_path}/model'])
  # After one that was killed, too.
  (tmp_path / 'model/model.json').unlink()
  bundle.main([f'--workdir={model_dir}', f'--out={tmp_path}/model'])


def test_a_finder_is_no_model(model_dir, tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  bundle.main([f'--workdir={finder_model.INSIDE}', '--out=~/finder'])
  finder = tmp_path / 'finder'
  with pytest.raises(InputError, match='is a finder'):
    find_model(finder)
  with pytest.raises(InputError, match='is a model'):
    finder_model.find_finder(model_dir)
  # One folder never holds both.
  for workdir, out in ((model_dir, finder), (finder, model_dir)):
    before = sorted(out.iterdir())
    with pytest.raises(InputError, match='of the same kind'):
      bundle.main([f'--workdir={workdir}', f'--out={out}'])
    assert sorted(out.iterdir()) == before
  with pytest.raises(InputError, match='--workdir: give a name'):
    bundle.main(['--workdir=', f'--out={tmp_path}/new'])


_DAMAGES = {
  'config': [{}, 5, None],
  'config.input': [5, {}],
  'config.input.frames': [0, 'x'],
  'config.input.crop': [-3],
  'config.input.anchor': ['zz'],
  'config.input.foo': [1],
  'config.model': [{}, None],
  'config.model.width': [-1, '8'],
  'config.model.clips': [0],
  'config.network': [5, 'no.such'],
  'config.tasks': [5, 'nothing'],
  'frames.width': [-3, 4.5, '43'],
  'frames.height': [0],
  'frames.frames_per_second': [0, '25', None],
  'absolute_errors': [[3.0, 1.0], [-5.0], 5],
  'classes': [[['position', ['a', 'a', 'a']]], 5],
  'vocabulary': [5, ['a']],
  'step': ['x'],
}


@pytest.mark.parametrize(
  'field, value',
  [(field, value) for field, values in _DAMAGES.items() for value in values],
)
def test_descriptions_that_can_not_be(model_dir, tmp_path, field, value):
  shutil.copytree(model_dir, tmp_path, dirs_exist_ok=True)
  path = tmp_path / 'model.json'
  found = json.loads(path.read_text())
  *parts, last = field.split('.')
  part = found
  for name in parts:
    part = part[name]
  part[last] = value
  path.write_text(json.dumps(found))
  with pytest.raises(InputError, match=r'model\.(json|safetensors)'):
    find_model(tmp_path)


def test_weights_that_are_not_finite(model_dir, tmp_path):
  shutil.copytree(model_dir, tmp_path / 'model')
  path = tmp_path / 'model/model.safetensors'
  weights = safetensors.numpy.load_file(path)
  name = next(name for name in weights if name.endswith('kernel'))
  weights[name].flat[0] = 1e6
  safetensors.numpy.save_file(weights, path)
  with pytest.raises(InputError, match=f'{name} is not finite in float16'):
    bundle.main(
      [
        f'--workdir={tmp_path}/model',
        f'--out={tmp_path}/half',
        '--dtype=float16',
      ]
    )
  assert not (tmp_path / 'half').exists()
  weights[name].flat[0] = np.nan
  safetensors.numpy.save_file(weights, path)
  with pytest.raises(InputError, match='is not finite'):
    find_model(tmp_path / 'model')


def test_a_scalar_stays_one():
  """MSCADC's BatchNorm counts batches."""
  count = weights_file._stored('count', np.array(3, np.int32), 'float16')
  assert (count.shape, count.dtype, count) == ((), np.int32, 3)
  weight = weights_file._stored('weight', np.array(0.5), 'float16')
  assert (weight.shape, weight.dtype, weight) == ((), np.float16, 0.5)
