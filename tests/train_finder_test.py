"""The finder: its data, training and folder."""

import dataclasses
import json
import runpy

import cv2
import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

import tfds_mtl_aqa  # noqa: F401  Registers the datasets.
from aqa_jax import bundle, train_finder
from aqa_jax.command_line import find_config
from aqa_jax.data import footage
from aqa_jax.data.footage import CHUNK, Chunks, Footage, Video, WindowInput
from aqa_jax.data.phases import phases_at
from aqa_jax.judging import finder_model
from aqa_jax.judging.dive_search import DiveFinder
from aqa_jax.layers.normalize import normalize
from aqa_jax.systems.dive_finder.network import RADIUS
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.prepare import prepare


def _grey(value):
  image = np.full((16, 16, 3), value % 256, np.uint8)
  return cv2.imencode('.png', image)[1].tobytes()


def _video(count, dives=()):
  """A video whose brightness is the number of the frame."""
  return Video('v', [_grey(i) for i in range(count)], tuple(dives))


_WINDOW = WindowInput(
  frames=40,
  min_speed=1.0,
  max_speed=1.0,
  min_zoom=1.0,
  colour=0.0,
  flip=False,
)


@pytest.mark.parametrize('speed', [1.0, 0.8, 1.2])
def test_labels_are_those_of_the_frames(speed):
  """The entry's label is highest where the frame of the entry is shown."""
  video = _video(240, [(8.0, 9.6)])
  videos = Footage([video], 12.5, (16, 16), 'd')
  window = dataclasses.replace(_WINDOW, min_speed=speed, max_speed=speed)
  rng = np.random.default_rng(0)
  seen = 0
  for _ in range(30):
    row = footage.make_row(video, videos, window, rng)
    numbers = row['video'][:, 8, 8, 0].astype(int)
    assert row['video'].shape == (40, 16, 16, 3)
    entry = row['phases'][:, 2]
    if entry.max() > 0.8:
      seen += 1
      assert numbers[entry.argmax()] == pytest.approx(120, abs=1)
      flight = numbers[row['phases'][:, 1] > 0.5]
      assert flight.min() >= 99 and flight.max() <= 121
  assert seen > 10


def test_a_window_longer_than_its_video():
  videos = Footage([_video(7)], 12.5, (16, 16), 'd')
  rng = np.random.default_rng(0)
  row = footage.make_row(videos.videos[0], videos, _WINDOW, rng)
  assert row['video'][:, 0, 0, 0].tolist() == [*range(7), *[6] * 33]


def test_colours_and_places_change_in_training_only():
  video = _video(100)
  videos = Footage([video], 12.5, (16, 16), 'd')
  window = dataclasses.replace(_WINDOW, colour=1.0, min_zoom=0.5)
  rng = np.random.default_rng(0)
  differ = 0
  for _ in range(8):
    row = footage.make_row(video, videos, window, rng)
    assert row['video'].shape == (40, 16, 16, 3)
    grey = row['video'][:, 8, 8].astype(int)
    differ += np.ptp(grey, axis=1).max() > 0
  # Of grey images the colours differ now.
  assert differ > 4


@pytest.mark.parametrize('count', [1, 64, CHUNK, CHUNK + 1, 700])
def test_chunks_give_each_frame_once(count):
  videos = [_video(count), _video(3)]
  chunks = Chunks(videos, RADIUS)
  rows = [chunks.make_row(part) for part in chunks.parts()]
  assert {row['video'].shape for row in rows} == {(CHUNK, 16, 16, 3)}
  first, second = chunks.joined(
    np.stack([row['video'][:, 0, 0, 0] for row in rows])
  )
  assert first.tolist() == [number % 256 for number in range(count)]
  assert second.tolist() == [0, 1, 2]


def test_fields_that_are_wrong():
  for name, value in (
    ('frames', 1),
    ('min_speed', 0.0),
    ('max_speed', 0.5),
    ('min_zoom', 1.5),
    ('colour', -1.0),
  ):
    window = dataclasses.replace(_WINDOW, **{name: value})
    with pytest.raises(InputError, match=f'config.input.{name}='):
      window.check()


@pytest.fixture(name='data_dir', scope='module')
def fixture_data_dir(tmp_path_factory):
  data_dir = tmp_path_factory.mktemp('footage')
  prepare('simulated_footage/tiny', data_dir=str(data_dir))
  return data_dir


def _config(data_dir):
  config = runpy.run_path(str(find_config('find_dives')))['get_config']()
  with config.unlocked():
    config.dataset.name = 'simulated_footage/tiny'
    config.dataset.data_dir = str(data_dir)
    config.duration = '4 steps'
    config.checkpoint_every = '2 steps'
    config.optimizer.warmup = '1 steps'
    config.batch_size = 8
    config.eval_batch_size = 8
    config.input.frames = 24
    config.model.features = 16
    config.tensorboard = False
  return config


def test_the_dataset(data_dir):
  source = tfds.data_source('simulated_footage/tiny', data_dir=str(data_dir))
  assert {name: len(split) for name, split in source.items()} == {
    'train': 6,
    'validation': 3,
    'test': 3,
  }
  for row in source['train']:
    assert row['video'][0].shape == (48, 64, 3)
    assert len(row['take_off_seconds']) == len(row['entry_seconds'])


def test_it_is_trained_and_written(data_dir, tmp_path, capsys):
  workdir, out = tmp_path / 'run', tmp_path / 'finder'
  figures = train_finder.train_and_evaluate(_config(data_dir), workdir)
  assert 'test videos' in capsys.readouterr().out
  found = json.loads((workdir / 'finder.json').read_text())
  assert found['test'] == figures
  assert 0 <= found['validation']['mean_f1'] <= 1
  with pytest.raises(InputError, match='holds no finder'):
    finder_model.find_finder(data_dir)
  bundle.main([f'--workdir={workdir}', f'--out={out}'])
  assert sorted(path.name for path in out.iterdir()) == [
    'README.md',
    'finder.json',
    'finder.safetensors',
  ]
  finder = finder_model.find_finder(out)
  assert finder.threshold == found['threshold']
  assert finder.dataset == 'simulated_footage/tiny/1.0.0'
  # It tells the same as the training's own network.
  training = train_finder.set_up(_config(data_dir), workdir)
  state = training.checkpoints.restore_best(training.state)
  frames = np.random.default_rng(0).integers(0, 256, (50, 48, 64, 3), np.uint8)
  ours = DiveFinder(finder).predict(frames)
  # It fills up to the smaller of its sizes.
  filled = np.concatenate([frames, frames[-1:].repeat(64 - 50, 0)])
  outputs = training.setup.model.apply(
    {'params': state.params},
    normalize(filled[None], np.zeros(1, bool)),
  )
  theirs = jax.nn.sigmoid(outputs['phases'][0])[:50]
  np.testing.assert_allclose(ours, theirs, atol=1e-4)
  (workdir / 'finder.json').unlink()
  with pytest.raises(InputError, match='give the training command again'):
    finder_model.find_finder(workdir)
  # A second start has nothing to do but to evaluate again.
  assert train_finder.train_and_evaluate(_config(data_dir), workdir) == figures


@dataclasses.dataclass
class _Seeing(train_finder.FinderTraining):
  """A training whose network sees dives that are given.

  Attributes:
    seen: (take-off, entry) of the dives, s.
    sure: the phases' probabilities are so much of the wanted ones.
  """

  seen: tuple[tuple[float, float], ...] = ()
  sure: float = 1.0

  def phases(self, videos):
    return [
      self.sure * phases_at(np.arange(250) / 12.5, self.seen)
      for _ in videos.videos
    ]


def test_the_choice_tells_apart_what_finds_all():
  """Of networks whose F1 is 1, it takes the nearer and the surer one."""
  dives = ((3.0, 4.6), (12.0, 13.5))
  videos = Footage([_video(1, dives)], 12.5, (16, 16), 'd')
  late = tuple((take_off, entry + 0.1) for take_off, entry in dives)

  def figures(**seen):
    nothing = dict.fromkeys(('setup', 'workdir', 'state', 'checkpoints'))
    rest = dict.fromkeys(('started', 'train', 'test', 'window'))
    training = _Seeing(**nothing, **rest, validation=videos, **seen)
    assert training.measure == 'mean_f1'
    return training.validate()

  exact, unsure, off = (
    figures(seen=dives),
    figures(seen=dives, sure=0.6),
    figures(seen=late),
  )
  assert exact['f1'] == unsure['f1'] == off['f1'] == 1
  assert exact['mean_f1'] > max(unsure['mean_f1'], off['mean_f1'])
  # Within 0.12, 0.16 and 0.2 s of five tolerances.
  assert off['mean_f1'] == pytest.approx(3 / 5 * exact['mean_f1'])
  # At thresholds from 0.2 to 0.55, of up to 0.9.
  assert unsure['mean_f1'] == pytest.approx(8 / 15, abs=1 / 15)
  assert 0.2 <= unsure['threshold'] < 0.6


def test_what_is_no_finder(tmp_path, model_dir):
  with pytest.raises(InputError, match='holds no finder'):
    finder_model.find_finder(tmp_path)
  with pytest.raises(InputError, match='is a model'):
    finder_model.find_finder(model_dir)
  path = tmp_path / 'finder.json'
  for text, message in (
    ('{', 'is damaged'),
    ('{"format": 9}', 'has format 9'),
    ('{"format": 1}', 'is damaged'),
  ):
    path.write_text(text)
    with pytest.raises(InputError, match=message):
      finder_model.find_finder(tmp_path)


def test_a_dataset_without_dives_times(tiny_dives, tmp_path):
  config = _config(tiny_dives)
  with config.unlocked():
    config.dataset.name = 'simulated_dives/tiny'
  with pytest.raises(InputError, match='take_off_seconds'):
    train_finder.set_up(config, tmp_path)
