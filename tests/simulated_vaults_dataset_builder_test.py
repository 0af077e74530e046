import dataclasses
import types

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

import tfds_mtl_aqa
from aqa_jax.data.dive_split import load_split, open_builder
from aqa_jax.data.input_pipeline import evaluation_batches
from aqa_jax.data.schema import schema_of
from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.data.video_input import VideoInput
from aqa_jax.evaluation import ceilings
from aqa_jax.tasks.classes import ClassesTask
from aqa_jax.tasks.score import ScoreTask
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.simulated_vaults import contact_sheet
from tfds_mtl_aqa.simulated_vaults import faults as faults_lib
from tfds_mtl_aqa.simulated_vaults.faults import Faults
from tfds_mtl_aqa.simulated_vaults.renderer import render_vault
from tfds_mtl_aqa.simulated_vaults.simulated_vaults_dataset_builder import (
  Builder,
  SimulatedVaultsConfig,
)
from tfds_mtl_aqa.simulated_vaults.simulation_config import CONFIGS
from tfds_mtl_aqa.simulated_vaults.vault import simulate_vault
from tfds_mtl_aqa.simulated_vaults.vault_table import VAULTS
from tfds_mtl_aqa.simulation.body import JOINTS
from tfds_mtl_aqa.simulation.simulation_config import event_and_sample

_FEATURES = {
  'difficulty', 'end_frame', 'entry', 'event', 'execution', 'faults',
  'final_score', 'judge_scores', 'padded_frames', 'poses', 'position',
  'sample', 'somersaults', 'start_frame', 'twists', 'vault', 'video',
}  # fmt: skip


@pytest.fixture(scope='module')
def builder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('simulated_vaults')
  builder = Builder(config='tiny', data_dir=folder)
  builder.download_and_prepare()
  return builder


def test_examples_are_the_simulated_vaults(builder):
  config = CONFIGS['tiny']
  for split, count in config.num_examples.items():
    source = builder.as_data_source(split)
    assert len(source) == count
    for index in range(count):
      example = source[index]
      vault = simulate_vault(config, split, index)
      assert set(example) == _FEATURES
      assert np.asarray(example['video']).shape == (24, 24, 32, 3)
      assert example['vault'].decode() == vault.vault.name
      np.testing.assert_array_equal(example['judge_scores'], vault.marks)
      np.testing.assert_array_equal(example['poses'], vault.poses())
      assert example['final_score'] == pytest.approx(
        float(example['difficulty']) + float(example['execution']), abs=2e-5
      )
      for name in ('entry', 'position', 'somersaults', 'twists'):
        assert example[name] == getattr(vault.vault, name)
      for name in faults_lib.NAMES:
        expected = getattr(vault.faults, name)
        assert example['faults'][name] == pytest.approx(expected)


def test_names_and_metadata_are_those_of_the_dives(builder, tiny_dives):
  dives = open_builder('simulated_dives/tiny', str(tiny_dives)).info
  metadata = builder.info.metadata
  assert list(metadata['joints']) == list(dives.metadata['joints'])
  assert list(metadata['joints']) == list(JOINTS)
  for name in ('frames_per_second', 'window_frames', 'margin_frames'):
    assert metadata[name] == dives.metadata[name]
  same = set(builder.info.features) & set(dives.features)
  assert same >= {'video', 'poses', 'event', 'final_score', 'judge_scores'}
  for name in same - {'faults', 'position'}:
    # TFDS imports TensorFlow to tell a dtype, but not to print one.
    assert repr(builder.info.features[name]) == repr(dives.features[name])


def test_the_input_pipeline_reads_them(builder):
  opened = open_builder('simulated_vaults/tiny', builder.data_dir_root)
  split = load_split(opened, 'test')
  schema = schema_of(opened.info)
  assert schema.score_rule is ScoreRule.SUM
  assert list(schema.class_names) == [
    'entry', 'position', 'somersaults', 'twists'
  ]  # fmt: skip
  video_input = VideoInput(20, 18, 1.0, 'end', 2, 16, True)
  classes = tuple((name, len(found)) for name, found in schema.classes)
  tasks = (ScoreTask(), ClassesTask(classes))
  (batch,) = evaluation_batches(split, video_input, tasks, 8, (0, 1))
  assert batch['video'].shape == (8, 18, 16, 16, 3)
  for row, example in enumerate(builder.as_data_source('test')):
    assert batch['score'][row] == np.float32(example['final_score'])
    assert batch['entry'][row] == example['entry']
  # The panel's marks give the score, as sums.
  found = ceilings.judge_ceilings(split.labels, schema.score_rule)
  assert found['panel']['mae'] < 1e-3


def test_a_rule_that_there_is_not_is_refused(builder):
  info = types.SimpleNamespace(
    full_name='mine/1.0.0',
    features=builder.info.features,
    metadata={'score_rule': 'difficulty - execution'},
  )
  with pytest.raises(InputError, match="mine/1.0.0: .* 'difficulty - exec"):
    schema_of(info)


def test_a_second_build_has_the_same_bytes(builder, tmp_path):
  again = Builder(config='tiny', data_dir=tmp_path)
  again.download_and_prepare()
  raw = tfds.decode.DeserializeMethod.RAW_BYTES
  for split in CONFIGS['tiny'].num_examples:
    first = builder.as_data_source(split, deserialize_method=raw)
    second = again.as_data_source(split, deserialize_method=raw)
    assert [bytes(r) for r in first] == [bytes(r) for r in second]


def test_the_number_of_vaults_changes_no_vault():
  config = CONFIGS['quickstart']
  more = dataclasses.replace(config, num_train=9000, num_test=5)
  other = dataclasses.replace(config, seed=21)
  for split, index in (('train', 17), ('test', 4)):
    first = simulate_vault(config, split, index)
    second = simulate_vault(more, split, index)
    assert (first.flight, first.event) == (second.flight, second.event)
    assert first.flight != simulate_vault(other, split, index).flight


@pytest.mark.parametrize('name', list(CONFIGS))
def test_no_event_of_the_test_is_in_train(name):
  config = CONFIGS[name]
  keys = {}
  for split, count in config.num_examples.items():
    keys[split] = {event_and_sample(config, split, i) for i in range(count)}
    assert len(keys[split]) == count
    vault = simulate_vault(config, split, count - 1)
    key = event_and_sample(config, split, count - 1)
    assert (vault.event.event_id, vault.sample) == key
  events = {split: {event for event, _ in keys[split]} for split in keys}
  assert not events['train'] & events['test']
  assert events['test_shared_events'] <= events['train']
  assert not keys['train'] & keys['test_shared_events']


def test_events_differ_in_hall_camera_and_judges():
  vaults = [simulate_vault(CONFIGS['quickstart'], 'train', i) for i in range(9)]
  for field in ('wall', 'floor', 'mat', 'yaw', 'pitch', 'strictness', 'suit'):
    assert len({getattr(vault.event, field) for vault in vaults}) == 9
  assert {vault.event.away_to_right for vault in vaults} == {True, False}
  first, second = (render_vault(vault)[0] for vault in vaults[:2])
  assert np.abs(first.astype(float) - second).mean() > 10


@pytest.mark.parametrize('name', ['clips_171x128', 'quickstart'])
def test_the_gymnast_is_large_and_in_the_frame(name):
  config = CONFIGS[name]
  inside, heights = [], []
  for index in range(30):
    vault = simulate_vault(config, 'train', index)
    poses = vault.poses()
    assert poses.shape == (config.num_frames, 17, 2)
    assert np.isfinite(poses).all()
    x, y = poses[..., 0], poses[..., 1]
    # Within the square that a centre crop keeps.
    central = np.abs(x - (config.width - 1) / 2) < 0.5 * config.height
    inside.append((central & (y > 0) & (y < config.height - 1)).mean())
    # All phases are in the window.
    times = vault.frame_times
    assert times[config.margin_frames] < -1.02
    assert times[-1 - config.margin_frames] > vault.flight.seconds + 1.19
    heights.append(np.ptp(y, axis=1).max() / config.height)
  assert np.mean(inside) > 0.99
  assert min(inside) > 0.95
  assert 0.38 < np.median(heights) < 0.62


@pytest.mark.parametrize(
  'faults',
  [
    Faults(legs_apart=30),
    Faults(knee_bend=40),
    Faults(arm_bend=60),
    Faults(low_height=0.2),
    Faults(rotation_error=18),
    Faults(rotation_error=-18),
    Faults(steps=1),
    Faults(hop=0.4),
    Faults(fall=1, rotation_error=25),
    Faults(off_line=0.6),
    Faults(off_line=-0.6),
  ],
  ids=repr,
)
def test_each_fault_shows(faults):
  config = CONFIGS['quickstart']
  for index, name in ((3, 'handspring pike half twist'),
                      (4, 'yurchenko straight double twist')):  # fmt: skip
    vault = next(vault for vault in VAULTS if vault.name == name)
    clean, faulty = (
      simulate_vault(config, 'train', index, vault, some)
      for some in (Faults(), faults)
    )
    # Of the same time from the take-off, as the window ends with the landing.
    difference = np.abs(
      render_vault(clean).astype(float) - render_vault(faulty)
    ).max(axis=-1)
    changed = (difference > 40).sum(axis=(1, 2))
    assert (changed >= 8).sum() >= 2
    moved = np.linalg.norm(clean.poses() - faulty.poses(), axis=-1)
    assert moved.max() > 1


def test_a_row_of_the_contact_sheet_shows_the_vault(tmp_path, monkeypatch):
  vault = simulate_vault(CONFIGS['tiny'], 'train', 0)
  row = contact_sheet.contact_row(vault, num_frames=4, width=64, height=48)
  assert row.shape == (48 + 14, 4 * 64, 3)
  text = contact_sheet.describe(vault)
  assert vault.vault.name in text
  assert f'= {vault.final_score:g}' in text
  out = tmp_path / 'vaults.png'
  arguments = [f'--out={out}', '--config=tiny', '--num_vaults=2']
  monkeypatch.setattr('sys.argv', ['contact_sheet', *arguments])
  contact_sheet.main()
  assert cv2.imread(str(out)).shape == (2 * (96 + 14), 10 * 128, 3)


def test_any_size_can_be_built(tmp_path):
  small = dataclasses.replace(
    CONFIGS['tiny'], width=40, height=30, num_train=2, num_test=1,
    num_test_shared_events=1,
  )  # fmt: skip
  config = SimulatedVaultsConfig(name='mine', simulation=small)
  builder = Builder(config=config, data_dir=tmp_path)
  builder.download_and_prepare()
  example = builder.as_data_source('test')[0]
  assert np.asarray(example['video']).shape == (24, 30, 40, 3)
  assert example['event'] == 5


def test_the_package_registers_the_builder():
  assert Builder in tfds_mtl_aqa.BUILDERS
  assert tfds_mtl_aqa.SimulatedVaults is Builder
  assert Builder.name == 'simulated_vaults'
  assert {c.name for c in Builder.BUILDER_CONFIGS} == set(CONFIGS)
