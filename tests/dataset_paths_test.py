"""How training finds datasets, and folders of videos."""

import shutil
import subprocess
import sys

import pytest

from aqa_jax.data import action_videos
from aqa_jax.data.dive_split import find_builder, load_split, open_builder
from tfds_mtl_aqa.input_error import InputError

NAME = 'simulated_dives/tiny'


def test_home_in_the_path(tiny_dives, tmp_path, monkeypatch):
  """The shell leaves ~ alone in --config.dataset.data_dir=~/dives."""
  shutil.copytree(tiny_dives, tmp_path / 'dives')
  monkeypatch.setenv('HOME', str(tmp_path))
  assert len(load_split(open_builder(NAME, '~/dives'), 'train')) == 16
  with pytest.raises(InputError) as error:
    open_builder(NAME, '~/none')
  assert str(tmp_path / 'none') in str(error.value)


@pytest.mark.parametrize('name', ['dives [v2]', 'a*b'])
def test_patterns_in_the_path(tiny_dives, tmp_path, name):
  shutil.copytree(tiny_dives, tmp_path / name)
  dives = load_split(open_builder(NAME, str(tmp_path / name)), 'train')
  assert len(dives) == 16
  assert len(dives[15]['video']) == 24


@pytest.mark.parametrize('content', [None, '{"vocab'])
def test_metadata_that_is_missing_or_damaged(tiny_dives, tmp_path, content):
  shutil.copytree(tiny_dives, tmp_path / 'dives')
  path = tmp_path / 'dives' / NAME / '1.1.0' / 'metadata.json'
  path.unlink()
  if content:
    path.write_text(content)
  with pytest.raises(InputError) as error:
    open_builder(NAME, str(tmp_path / 'dives'))
  assert str(error.value).startswith(f'{path}: is missing or damaged; remove ')


def test_an_unknown_config_lists_those_there_are():
  with pytest.raises(InputError) as error:
    find_builder('simulated_dives/tinny', None)
  message = str(error.value)
  assert len(message.splitlines()) == 1
  assert "'simulated_dives/tinny' is no dataset: there are " in message
  assert 'simulated_dives/tiny.' in message


def test_videos_beside_the_files_that_macos_adds(tmp_path):
  for action in ('Diving', 'Golf'):
    (tmp_path / action).mkdir()
    for name in ('v_g01_c01.avi', '._v_g01_c01.avi'):
      (tmp_path / action / name).write_bytes(b'')
  (tmp_path / '._Diving').mkdir()
  videos = action_videos.open_videos(str(tmp_path), '', '', '')
  assert videos.class_names == ('Diving', 'Golf')
  assert len(videos) == 2


def test_datasets_are_registered_whatever_is_imported_first():
  for first, second in [
    ('tensorflow_datasets', 'tfds_mtl_aqa'),
    ('tfds_mtl_aqa', 'tensorflow_datasets'),
  ]:
    code = (
      f'import {first}\nimport {second}\nimport tensorflow_datasets as tfds\n'
      "assert tfds.builder('mtl_aqa').name == 'mtl_aqa'"
    )
    subprocess.run([sys.executable, '-c', code], check=True)
