"""Models as ONNX and StableHLO files: they give what the judge gives."""

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

import document_text
import jax
import numpy as np
import pytest
from video_test import write_video

import aqa_jax
from aqa_jax import export
from aqa_jax.configs import quickstart_mscadc
from aqa_jax.exporting import self_check
from aqa_jax.judging.judge import _pixels
from aqa_jax.judging.model_folder import write_model
from aqa_jax.judging.model_source import find_model
from tfds_mtl_aqa.input_error import InputError

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from aqa_jax.exporting.onnx_model import run_onnx  # noqa: E402

ROOT = pathlib.Path(__file__).parents[1]
_REAL_VIDEO = ROOT.parent / 'shared/media/mtl_aqa_03_55.avi'


def _export(file_format, out, model=None):
  flags = [] if model is None else [f'--model={model}']
  export.main([f'--format={file_format}', f'--out={out}', *flags])


@pytest.fixture(name='models', scope='module')
def fixture_models(model_dir, tmp_path_factory):
  """Name -> a model folder, or None for the model inside."""
  config = quickstart_mscadc.get_config()
  config.update_from_flattened_dict(
    {
      'remat': True,
      'input.crop': 24,
      'input.resize': (32, 24),
      'model.width': 2,
      'model.caption_length': 12,
      'model.caption_hidden': 16,
      'model.caption_embedding': 8,
    }
  )
  model = find_model(model_dir).replace(config=config, evaluation={})
  shapes = model.abstract_variables()
  rng = np.random.default_rng(0)

  def drawn(shape):
    if shape.dtype == np.int32:
      return np.zeros(shape.shape, np.int32)
    # Variances are above 0.
    return rng.uniform(0.05, 0.4, shape.shape).astype(np.float32) - (
      0.2 if shape.ndim > 1 else 0
    )

  mscadc = tmp_path_factory.mktemp('mscadc')
  write_model(model.replace(variables=jax.tree.map(drawn, shapes)), mscadc)
  return {'c3davg': model_dir, 'mscadc': mscadc, 'inside': None}


@pytest.fixture(name='judges', scope='module')
def fixture_judges(models):
  return {name: aqa_jax.load(model) for name, model in models.items()}


@pytest.fixture(name='exported', scope='module')
def fixture_exported(models, tmp_path_factory):
  """(name, format) -> file."""
  folder = tmp_path_factory.mktemp('exported')
  files = {}
  for name, model in models.items():
    for file_format in ('onnx', 'stablehlo'):
      if (name, file_format) != ('inside', 'stablehlo'):
        files[name, file_format] = folder / f'{name}.{file_format}'
        _export(file_format, files[name, file_format], model)
  return files


class _Exported:
  """Loads a file as a user would, and runs it."""

  def __init__(self, path):
    if path.suffix == '.onnx':
      session = onnxruntime.InferenceSession(str(path))
      names = [output.name for output in session.get_outputs()]
      self.run = lambda video: dict(
        zip(names, session.run(None, {'video': video}), strict=True)
      )
    else:
      program = jax.export.deserialize(bytearray(path.read_bytes()))
      self.run = lambda video: jax.device_get(program.call(video))


def _flat(outputs):
  flat = {}
  for name, value in outputs.items():
    if isinstance(value, dict):
      flat |= {f'{name}/{part}': array for part, array in value.items()}
    else:
      flat[name] = value
  return flat


def _predicted(judge, video):
  """Returns what the judge computes, by the names of the export."""
  return _flat(jax.device_get(judge._step(judge._variables, video)))


def _check(judge, path, video):
  """Compares 1, 2 and 5 videos with what the judge computes of 5."""
  program, wanted = _Exported(path), _predicted(judge, video)
  for batch in (1, 2, 5):
    found = program.run(video[:batch])
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
      assert found[name].dtype == array.dtype
      if array.dtype == np.int32:
        np.testing.assert_array_equal(found[name], array[:batch], name)
        continue
      atol = 1e-4 * np.abs(array).max()
      np.testing.assert_allclose(
        found[name], array[:batch], rtol=0, atol=atol, err_msg=name
      )


@pytest.mark.parametrize('name', ['c3davg', 'mscadc'])
@pytest.mark.parametrize('file_format', ['onnx', 'stablehlo'])
def test_it_gives_what_the_judge_gives(judges, exported, name, file_format):
  judge = judges[name]
  shape = 5, *judge.model.video_input.shape
  video = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
  # Not all alike: each row gets its own answer.
  video[::2] //= 3
  _check(judge, exported[name, file_format], video)


def _seen(judge, video, ends):
  """Returns what the network sees of a video up to each of some frames."""
  clips = [next(judge.reader.clips(video, end_frame=end)) for end in ends]
  return np.stack([_pixels(clip, judge.model) for clip in clips])


@pytest.mark.skipif(
  not _REAL_VIDEO.exists(), reason='needs a dive in ../shared'
)
@pytest.mark.parametrize('name', ['inside', 'mscadc'])
def test_of_a_real_dive(judges, exported, name):
  video = _seen(judges[name], _REAL_VIDEO, (103, 95, 88, 80, 72))
  _check(judges[name], exported[name, 'onnx'], video)


def test_the_file_is_valid_and_says_what_it_takes(models, exported):
  for name in models:
    path = exported[name, 'onnx']
    onnx.checker.check_model(str(path), full_check=True)
    model = find_model(models[name])
    about = json.loads(path.with_name(f'{path.name}.json').read_text('utf-8'))
    session = onnxruntime.InferenceSession(str(path))
    (video,) = session.get_inputs()
    assert (video.name, video.type) == ('video', 'tensor(uint8)')
    assert video.shape == ['batch', *model.video_input.shape]
    assert about['input']['name'] == 'video'
    assert about['input']['shape'] == video.shape
    outputs = {output.name: output.shape for output in session.get_outputs()}
    assert {k: v['shape'] for k, v in about['outputs'].items()} == outputs
    for kind, names in about['classes'].items():
      assert tuple(names) == model.schema.class_names[kind]
      assert outputs[f'class_probabilities/{kind}'] == ['batch', len(names)]
    assert tuple(about['vocabulary']) == model.schema.words
    assert about['note'].startswith('This model has seen simulated dives only')
    offsets = about['frames']['offsets_from_the_last']
    assert len(offsets) == video.shape[1] and offsets[-1] == 0
    # The file has it, too.
    inside = session.get_modelmeta().custom_metadata_map['aqa_jax']
    assert json.loads(inside) == about
  assert offsets[-2] == -1  # Of the model inside; MSCADC takes every third.


def test_the_frames_are_those_of_the_judge(judges, exported):
  judge = judges['mscadc']
  path = exported['mscadc', 'onnx'].with_name('mscadc.onnx.json')
  frames = json.loads(path.read_text('utf-8'))['frames']
  greys = np.arange(100, dtype=np.uint8)
  video = np.broadcast_to(greys[:, None, None, None], (100, 24, 32, 3))
  (seen,) = _seen(judge, video, [100])
  offsets = frames['offsets_from_the_last']
  np.testing.assert_array_equal(
    seen.mean(axis=(1, 2, 3)), 99 + np.array(offsets)
  )
  stored = judge.model.frame_format.size
  assert frames['stored_width_height'] == [*stored]
  assert frames['then_width_height'] == [32, 24]
  assert frames['crop'] == seen.shape[1] == 24


_NO_JAX = """
import sys

for name in ('aqa_jax', 'flax', 'jax', 'jaxlib', 'onnx', 'tfds_mtl_aqa'):
  sys.modules[name] = None  # An import of it fails.
"""


def test_the_example_of_the_documents_runs_without_jax(
  judges, exported, tmp_path
):
  """And gives about the score that the judge gives to the same video."""
  example, *_ = (
    command.text
    for command in document_text.commands(ROOT / 'docs/export.md')
    if command.is_python and 'onnxruntime' in command.text
  )
  for suffix in ('onnx', 'onnx.json'):
    shutil.copy(
      exported['inside', 'onnx'].with_name(f'inside.{suffix}'),
      tmp_path / f'dives.{suffix}',
    )
  write_video(tmp_path / 'clip.mp4', range(20, 220, 2), rate=12)
  done = subprocess.run(
    [sys.executable, '-c', f'{_NO_JAX}\n{example}'],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  judge = judges['inside']
  wanted = _predicted(judge, _seen(judge, tmp_path / 'clip.mp4', [100] * 5))
  score, *lines = done.stdout.splitlines()
  assert float(score) == pytest.approx(wanted['score'][0], abs=0.1)
  armstand = judge.model.schema.class_names['armstand']
  assert f'armstand {armstand[wanted["classes/armstand"][0]]}' in lines


def test_an_export_replaces_one_and_nothing_else(exported, model_dir, tmp_path):
  path, beside = tmp_path / 'model.onnx', tmp_path / 'model.onnx.json'
  path.write_bytes(b'old')
  for text in ('{}', '[', '[' * 10**5, '\xff'):
    beside.write_text(text, 'latin-1')
    with pytest.raises(InputError, match='not of an export'):
      _export('onnx', path, model_dir)
  beside.unlink()
  with pytest.raises(InputError, match='not of an export'):
    _export('onnx', path, model_dir)
  assert path.read_bytes() == b'old'
  original = exported['c3davg', 'onnx']
  shutil.copy(original.with_name('c3davg.onnx.json'), beside)
  _export('onnx', tmp_path, model_dir)
  assert path.read_bytes() == original.read_bytes()
  assert sorted(tmp_path.iterdir()) == [path, beside]


def test_a_file_that_gives_something_else_is_not_written(
  model_dir, tmp_path, monkeypatch
):
  from aqa_jax.exporting import stablehlo

  wanted = {'score': np.array([50.0, 60.0]), 'captions': np.array([[1], [2]])}
  monkeypatch.setattr(stablehlo, 'to_stablehlo', lambda model: b'program')
  monkeypatch.setattr(self_check, 'network_outputs', lambda *_: wanted)

  def wrong(path, video):
    assert path.read_bytes() == b'program' and len(video) == 2
    return wanted | {'score': np.array([50.0, 60.1])}

  monkeypatch.setattr(stablehlo, 'run_stablehlo', wrong)
  with pytest.raises(InputError, match=r'\(score\), the captions are equal'):
    _export('stablehlo', tmp_path, model_dir)
  assert not list(tmp_path.iterdir())


def test_what_onnx_runtime_does_not_run_is_an_error(tmp_path):
  (tmp_path / 'x.onnx').write_bytes(b'no model')
  with pytest.raises(InputError, match='does not run'):
    run_onnx(tmp_path / 'x.onnx', np.zeros((1, 2, 3, 3, 3), np.uint8))


@pytest.mark.parametrize(
  'out, message',
  [
    ('dives', 'ends in .onnx'),
    ('dives.stablehlo', 'ends in .onnx'),
    ('no/such/dives.onnx', 'its folder is not there'),
    ('no/such/', 'ends in .onnx'),
    ('', 'ends in .onnx'),
    ('folder.onnx/', 'ends in .onnx'),
    ('other.onnx', 'not of an export'),
    ('beside.onnx', 'not of an export'),
    ('file/dives.onnx', 'its folder is not there'),
    ('x' * 300 + '.onnx', 'too long'),
  ],
)
def test_places_that_are_wrong(tmp_path, monkeypatch, out, message):
  monkeypatch.chdir(tmp_path)
  for name in ('other.onnx', 'beside.onnx.json', 'file'):
    (tmp_path / name).write_text('')
  before = sorted(tmp_path.iterdir())
  with pytest.raises(InputError, match=message):
    _export('onnx', out)
  assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_can_not_be_written(tmp_path, monkeypatch):
  monkeypatch.setattr(os, 'access', lambda *_: False)
  with pytest.raises(InputError, match='can not be written'):
    _export('onnx', tmp_path)


@pytest.mark.parametrize(
  'arguments, message',
  [
    (['--format=onnx'], '--out'),
    (['--out=x.onnx'], '--format'),
    (['--format=tflite', '--out=x.tflite'], '--format'),
    (['--format=onnx', '--out=x.onnx', '--opset=9'], '--opset'),
    (['--format=onnx', '--out=x.onnx', '--model=no/such'], 'is not there'),
    (['--format=onnx', '--out=x.onnx', '--model=.'], 'holds no model'),
  ],
)
def test_calls_that_are_wrong(tmp_path, monkeypatch, arguments, message):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(InputError, match=message):
    export.main(arguments)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
  find_spec = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util,
    'find_spec',
    lambda name: None if name == 'onnxruntime' else find_spec(name),
  )
  with pytest.raises(InputError, match=r"pip install 'aqa_jax\[onnx\]'") as e:
    _export('onnx', tmp_path / 'x.onnx')
  assert 'needs onnxruntime' in str(e.value)
