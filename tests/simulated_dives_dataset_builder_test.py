import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

import tfds_mtl_aqa
from aqa_jax.data.dive_split import load_split, open_builder
from aqa_jax.training import provenance
from tfds_mtl_aqa import labels
from tfds_mtl_aqa.simulated_dives import benchmark, contact_sheet, motion
from tfds_mtl_aqa.simulated_dives import (
  simulated_dives_dataset_builder as builder_module,
)
from tfds_mtl_aqa.simulated_dives.commentary import caption_ids, vocabulary
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.dive_numbers import parse_dive_number
from tfds_mtl_aqa.simulated_dives.simulated_dives_dataset_builder import (
  Builder,
  SimulatedDivesConfig,
)
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulated_dives.stage_ends import stage_ends
from tfds_mtl_aqa.simulation.simulation_config import SimulationConfig

_FEATURES = {
  'armstand', 'caption', 'caption_ids', 'difficulty', 'dive_number',
  'end_frame', 'event', 'faults', 'final_score', 'judge_scores',
  'padded_frames', 'poses', 'position', 'rotation_type', 'sample',
  'somersaults', 'stage_ends', 'start_frame', 'twists', 'video',
}  # fmt: skip


@pytest.fixture(scope='module')
def builder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('simulated_dives')
  builder = Builder(config='tiny', data_dir=folder)
  builder.download_and_prepare()
  return builder


def test_splits_have_their_sizes(builder):
  sizes = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert sizes == {'train': 16, 'test': 8, 'test_shared_events': 8}
  for name, size in sizes.items():
    assert len(builder.as_data_source(name)) == size


def test_examples_are_the_simulated_dives(builder):
  config = CONFIGS['tiny']
  for split in config.num_examples:
    source = builder.as_data_source(split)
    for index in range(len(source)):
      example = source[index]
      dive = simulate_dive(config, split, index)
      assert set(example) == _FEATURES
      assert np.asarray(example['video']).shape == (24, 24, 32, 3)
      assert example['final_score'] == pytest.approx(dive.final_score)
      np.testing.assert_array_equal(example['judge_scores'], dive.awards)
      np.testing.assert_array_equal(example['poses'], dive.poses())
      np.testing.assert_array_equal(
        example['caption_ids'], caption_ids(dive.caption)
      )
      assert example['caption'].decode() == dive.caption
      assert example['faults']['splash'] == pytest.approx(dive.faults.splash)
      assert list(example['padded_frames']) == [0, 0]


def test_labels_agree_with_the_dive_number(builder):
  for example in builder.as_data_source('train'):
    number = parse_dive_number(
      example['dive_number'].decode(), example['difficulty']
    )
    for name in (
      'position', 'armstand', 'rotation_type', 'somersaults', 'twists'
    ):  # fmt: skip
      assert example[name] == getattr(number, name)
    judges = np.sort(example['judge_scores'])
    assert example['final_score'] == pytest.approx(
      judges[2:5].sum() * example['difficulty'], abs=0.01
    )
    assert 1 <= example['start_frame'] < example['end_frame']


def test_metadata_tells_the_vocabulary(builder):
  assert list(builder.info.metadata['vocabulary']) == vocabulary()
  assert len(builder.info.metadata['joints']) == 17
  assert builder.info.metadata['window_frames'] == 20
  assert list(builder.info.metadata['stages']) == list(labels.STAGES)


@pytest.mark.parametrize('config', ['tiny', 'clips_171x128'])
def test_stages_end_where_the_dive_shows_it(config):
  for index in range(12):
    dive = simulate_dive(CONFIGS[config], 'train', index)
    ends = stage_ends(dive)
    assert ends.dtype == np.int32
    assert 0 < ends[0] <= ends[1] < ends[2] < ends[3] <= len(dive.frame_times)
    jump, drop, entry, under = ends
    lowest = dive.joints[:, :, 1].min(axis=1)
    # The centre of mass rises, and falls.
    _, height = motion.centre_of_mass(dive.flight, dive.frame_times)
    assert (np.diff(height[jump:drop]) > 0).all()
    assert (np.diff(height[drop:entry]) < 0).all()
    # No joint is deeper than a hand at the first contact.
    assert lowest[:entry].min() > -0.35
    highest = dive.joints[:, :, 1].max(axis=1)
    assert highest[under - 1] >= 0
    assert under == len(highest) or highest[under] < 0


@pytest.fixture(name='older')
def fixture_older(tmp_path, monkeypatch):
  """A data_dir with simulated_dives/tiny as version 1.0.0 wrote it."""
  with monkeypatch.context() as patched:
    patched.setattr(Builder, 'VERSION', tfds.core.Version('1.0.0'))
    patched.setattr(Builder, 'SUPPORTED_VERSIONS', [])
    make = builder_module.dive_example

    def without_stages(dive, frames):
      example = make(dive, frames)
      del example['stage_ends']
      return example

    patched.setattr(builder_module, 'dive_example', without_stages)
    Builder(config='tiny', data_dir=tmp_path).download_and_prepare()
  return tmp_path


def test_the_older_version_serves_until_there_is_a_newer(builder, older):
  found = open_builder('simulated_dives/tiny', str(older))
  assert found.info.full_name == 'simulated_dives/tiny/1.0.0'
  assert 'stage_ends' not in found.info.features
  # All that it has is the same in the newer one.
  before, now = load_split(found, 'test'), load_split(builder, 'test')
  assert now.labels.keys() - before.labels.keys() == {'stage_ends'}
  for name, column in before.labels.items():
    np.testing.assert_equal(now.labels[name], column)
  for index in range(len(before)):
    assert before[index]['video'] == now[index]['video']
  # A training goes on with either.
  origins = [
    provenance.describe({}, 'dives/1.0.0', dives, ())['dataset']
    for dives in (before, now)
  ]
  assert origins[0] == origins[1]
  Builder(config='tiny', data_dir=older).download_and_prepare()
  found = open_builder('simulated_dives/tiny', str(older))
  assert found.info.full_name == 'simulated_dives/tiny/1.1.0'


def test_a_second_build_has_the_same_bytes(builder, tmp_path):
  again = Builder(config='tiny', data_dir=tmp_path)
  again.download_and_prepare()
  for split in ('train', 'test'):
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    first = builder.as_data_source(split, deserialize_method=raw)
    second = again.as_data_source(split, deserialize_method=raw)
    assert [bytes(r) for r in first] == [bytes(r) for r in second]


def test_any_configuration_can_be_built(tmp_path):
  config = SimulatedDivesConfig(
    name='mine',
    simulation=SimulationConfig(
      width=40,
      height=30,
      window_frames=6,
      margin_frames=1,
      frames_per_second=4.0,
      num_train=3,
      num_test=2,
      num_test_shared_events=1,
      num_train_events=2,
      num_test_events=1,
      seed=5,
    ),
  )
  builder = Builder(config=config, data_dir=tmp_path)
  builder.download_and_prepare()
  example = builder.as_data_source('test')[1]
  assert np.asarray(example['video']).shape == (8, 30, 40, 3)
  assert example['event'] == 3


def test_the_package_registers_the_builder():
  assert Builder in tfds_mtl_aqa.BUILDERS
  assert Builder.name == 'simulated_dives'
  assert {c.name for c in Builder.BUILDER_CONFIGS} == set(CONFIGS)
  assert Builder.BUILDER_CONFIGS[0].name == 'clips_171x128'


def test_a_row_of_the_contact_sheet_shows_the_dive():
  dive = simulate_dive(CONFIGS['tiny'], 'train', 0)
  row = contact_sheet.contact_row(dive, num_frames=4, width=64, height=48)
  assert row.shape == (48 + 14, 4 * 64, 3)
  text = contact_sheet.describe(dive)
  assert dive.number.number in text
  assert f'{dive.final_score:g}' in text
  # The text is drawn: dark on white below the frames.
  assert (row[48:] < 100).any()


def test_the_commands_run(tmp_path, monkeypatch, capsys):
  out = tmp_path / 'dives.png'
  arguments = [f'--out={out}', '--config=tiny', '--num_dives=2']
  monkeypatch.setattr('sys.argv', ['contact_sheet', *arguments])
  contact_sheet.main()
  assert cv2.imread(str(out)).shape == (2 * (96 + 14), 10 * 128, 3)
  monkeypatch.setattr(
    'sys.argv', ['benchmark', '--config=tiny', '--num_dives=2']
  )
  benchmark.main()
  assert 'dives/s' in capsys.readouterr().out
