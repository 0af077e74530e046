import shutil

import fake_mtl_aqa
import numpy as np
import pytest
import tensorflow_datasets as tfds

import tfds_mtl_aqa
from tfds_mtl_aqa import features, input_error, prepare

CONFIGS = {
  'clips_171x128': (171, 128),
  'clips_640x360': (640, 360),
  'clips_native': fake_mtl_aqa.SIZE,
  'annotations': None,
}


@pytest.fixture(name='manual_dir', scope='module')
def fixture_manual_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('manual')
  paths = fake_mtl_aqa.write_release(folder)
  fake_mtl_aqa.write_event_videos(folder)
  with fake_mtl_aqa.expected_release(paths):
    yield folder


@pytest.fixture(name='data_dir', scope='module')
def fixture_data_dir(tmp_path_factory, manual_dir):
  """Has every config prepared."""
  folder = tmp_path_factory.mktemp('data')
  for config in CONFIGS:
    _prepare(folder, manual_dir, config=config)
  return folder


def _prepare(data_dir, manual_dir, **kwargs):
  builder = tfds_mtl_aqa.MtlAqa(data_dir=data_dir, **kwargs)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
  )
  return builder


def _open(data_dir, config, split):
  return tfds.data_source(f'mtl_aqa/{config}', data_dir=data_dir, split=split)


def test_is_registered_under_its_name():
  builder = tfds.builder('mtl_aqa')
  assert isinstance(builder, tfds_mtl_aqa.MtlAqa)
  assert builder.builder_config.name == 'clips_171x128'
  assert list(builder.builder_configs) == list(CONFIGS)


def test_documents_are_found():
  info = tfds.builder('mtl_aqa/annotations').info
  assert 'manual_dir' in info.description
  assert info.citation.startswith('@inproceedings{parmar2019')
  metadata = tfds_mtl_aqa.MtlAqa.get_metadata()
  assert 'content.data-type.video' in metadata.tags


@pytest.mark.parametrize('config, size', CONFIGS.items())
def test_dives_in_the_official_order(data_dir, config, size):
  for split, keys in [
    ('train', fake_mtl_aqa.TRAIN),
    ('test', fake_mtl_aqa.TEST),
  ]:
    dives = _open(data_dir, config, split)
    assert [(d['event'], d['sample']) for d in dives] == keys
    for dive, (event, sample) in zip(dives, keys, strict=True):
      assert dive['final_score'] == 60 + sample
      assert dive['rotation_type'] == event
      assert dive['caption_ids'].tolist() == [1, 2, 3, 4, 0]
      assert dive['caption_ids'].dtype == np.int32
      assert dive['caption'] == b'a fine dive'
      assert dive['judge_scores'].tolist() == [6.5, 7, 7, 7.5, 8, 8, 6]
      assert dive['dive_number'] == b'5152B'
      assert ('video' in dive) == (size is not None)


@pytest.mark.parametrize(
  'config', ['clips_171x128', 'clips_640x360', 'clips_native']
)
def test_stored_frames_are_the_window_and_its_margins(data_dir, config):
  width, height = CONFIGS[config]
  for split in ('train', 'test'):
    for dive in _open(data_dir, config, split):
      end = fake_mtl_aqa.END_FRAMES[dive['event'], dive['sample']]
      assert dive['end_frame'] == end
      video = np.stack(dive['video'])
      assert video.shape == (109, height, width, 3)
      assert video.dtype == np.uint8
      wanted = np.arange(end - 105, end + 4)
      held = wanted.clip(1, fake_mtl_aqa.EVENT_FRAMES)
      assert [fake_mtl_aqa.number(f) for f in video] == held.tolist()
      padded = [(wanted < held).sum(), (wanted > held).sum()]
      assert dive['padded_frames'].tolist() == padded
      # 1-based and inclusive: the last frame of the window is end_frame.
      last = features.MARGIN_FRAMES + features.WINDOW_FRAMES - 1
      assert fake_mtl_aqa.number(video[last]) == end


def test_membership_of_smaller_sets(data_dir):
  for split in ('train', 'test'):
    for dive in _open(data_dir, 'annotations', split):
      key = dive['event'], dive['sample']
      flags = {name for name, value in dive['subsets'].items() if value}
      assert flags == {
        (2, 1): {'released_443', 'clean_443', 'released_279', 'clean_279'},
        (3, 3): {'released_443'},
      }.get(key, set())
      unlv = {(3, 1): 1, (2, 2): 1, (3, 3): 2}.get(key, 0)
      assert dive['unlv_dive'] == unlv


def test_metadata(data_dir, manual_dir):
  info = tfds.builder('mtl_aqa', data_dir=data_dir).info
  assert info.metadata['vocabulary'] == fake_mtl_aqa.WORDS
  assert info.metadata['num_dives'] == 6
  assert info.metadata['num_dives_of_release'] == 6
  assert info.metadata['missing'] == []
  assert info.metadata['allow_missing'] is False
  assert len(info.metadata['sha256']) == 11
  assert info.features['unlv_dive'].names == ['none', 'train', 'test']
  assert info.splits['train'].num_examples == 4


def test_tfds_load_gives_the_same_records(data_dir):
  pytest.importorskip('tensorflow', reason='tfds.load needs TensorFlow')
  for config, size in CONFIGS.items():
    source = tfds.data_source(f'mtl_aqa/{config}', data_dir=data_dir)
    loaded = tfds.load(f'mtl_aqa/{config}', data_dir=data_dir)
    assert list(loaded) == list(source) == ['train', 'test']
    for split in source:
      pairs = zip(source[split], tfds.as_numpy(loaded[split]), strict=True)
      for ours, theirs in pairs:
        assert set(ours) == set(theirs)
        for name, value in ours.items():
          if name == 'video':
            # TensorFlow's JPEG decoder rounds differently.
            difference = np.stack(value).astype(int) - theirs[name]
            assert np.abs(difference).max() <= 20
            assert np.abs(difference).mean() < 1
          elif name == 'subsets' or isinstance(value, bytes):
            assert theirs[name] == value
          else:
            np.testing.assert_array_equal(
              np.asarray(value, theirs[name].dtype), theirs[name]
            )
    if size:
      raw = {'video': tfds.decode.SkipDecoding()}
      with_bytes = tfds.load(
        f'mtl_aqa/{config}', split='train', data_dir=data_dir, decoders=raw
      )
      records = tfds.data_source(
        f'mtl_aqa/{config}',
        split='train',
        data_dir=data_dir,
        deserialize_method=tfds.decode.DeserializeMethod.DESERIALIZE_NO_DECODE,
      )
      for record, theirs in zip(
        records, tfds.as_numpy(with_bytes), strict=True
      ):
        stored = record.features.feature['video'].bytes_list.value
        assert list(theirs['video']) == list(stored)
        assert len(stored) == 109


def test_missing_videos_are_listed(tmp_path, manual_dir):
  manual = tmp_path / 'manual'
  shutil.copytree(manual_dir, manual)
  (manual / '02.mp4').unlink()
  (manual / '03.mp4').unlink()
  fake_mtl_aqa.write_video(manual / '03_02.avi', list(range(1, 104)), 'mjpeg')
  fake_mtl_aqa.write_frames(manual / '03_03', [1] * 50, '%05d.jpg')
  with pytest.raises(input_error.InputError) as caught:
    _prepare(tmp_path / 'data', manual)
  lines = str(caught.value).split('\n')
  assert lines[0] == f'{manual}: 5 of 6 dives have no frames:'
  assert lines[1].startswith('  event 02: all 3 dives, frames 8 to 200: no ')
  assert lines[2].startswith('  dive 03_01: frames 4 to 106 of event 03: no ')
  assert lines[3] == (
    '  dive 03_03: frames 98 to 200 of event 03: '
    f'{manual / "03_03"}: has 50 frames, 103 are needed'
  )
  assert lines[4].startswith('Looked for')
  assert '--allow_missing to build the dataset from 1' in lines[5]
  # What is there and does not do comes last, and alone.
  assert lines[6:] == [
    'There, but unusable for 03_03: '
    f'{manual / "03_03"}: has 50 frames, 103 are needed'
  ]
  assert not (tmp_path / 'data/mtl_aqa/clips_171x128/1.0.0').exists()

  builder = _prepare(tmp_path / 'data', manual, allow_missing=True)
  assert list(builder.info.splits) == ['train']
  assert builder.coverage == (1, 6)
  reopened = tfds.builder('mtl_aqa', data_dir=tmp_path / 'data')
  assert reopened.coverage == (1, 6)
  assert reopened.info.metadata['allow_missing'] is True
  assert reopened.info.metadata['missing'] == [
    '02_01', '02_02', '02_03', '03_01', '03_03'
  ]  # fmt: skip
  (dive,) = reopened.as_data_source('train')
  assert dive['padded_frames'].tolist() == [3, 3]


@pytest.mark.parametrize('num_processes', [1, 2])
def test_damaged_sources_are_left_out_and_named(
  tmp_path, manual_dir, capfd, num_processes
):
  manual = tmp_path / 'manual'
  shutil.copytree(manual_dir, manual)
  (manual / '03.mp4').write_bytes(b'')
  (manual / '02.mp4').unlink()
  for name in ('02_01', '02_02', '03_01'):
    fake_mtl_aqa.write_frames(manual / name, [7] * 109, '%03d.jpg')
  (manual / '02_01' / '055.jpg').write_bytes(b'')
  fake_mtl_aqa.write_frames(manual / '02_03', [7] * 50, '%03d.jpg')
  builder = _prepare(
    tmp_path / 'data',
    manual,
    allow_missing=True,
    num_processes=num_processes,
  )
  said = capfd.readouterr().err
  # What is known before the frames are made, and what shows then.
  video = f'{manual / "03.mp4"}: cannot be read as a video'
  assert f'There, but unusable for 03_02, 03_03: {video}' in said
  assert f'for 02_03: {manual / "02_03"}: has 50 frames' in said
  frame = f'{manual / "02_01" / "055.jpg"}: is not a whole image'
  assert f'Left out dive 02_01: {frame}' in said
  assert builder.coverage == (2, 6)
  info = tfds.builder('mtl_aqa', data_dir=tmp_path / 'data').info
  assert info.metadata['missing'] == ['02_01', '02_03', '03_02', '03_03']
  assert info.metadata['num_dives'] == 2
  unusable = info.metadata['unusable']
  assert sorted(unusable) == ['02_01', '02_03', '03_02', '03_03']
  assert unusable['02_01'].startswith(frame)
  keys = [
    (d['event'], d['sample'])
    for split in ('train', 'test')
    for d in builder.as_data_source(split)
  ]
  assert keys == [(3, 1), (2, 2)]
  told = prepare.summary(builder)
  assert '2 of 6 dives' in told and video in told and frame in told


def test_a_split_all_dives_of_which_are_damaged(tmp_path, manual_dir):
  manual = tmp_path / 'manual'
  shutil.copytree(manual_dir, manual)
  for name in ('02.mp4', '03.mp4'):
    (manual / name).unlink()
  for name in ('02_02', '03_01'):
    fake_mtl_aqa.write_frames(manual / name, [7] * 109, '%03d.jpg')
  (manual / '02_02' / '055.jpg').write_bytes(b'')
  builder = _prepare(tmp_path / 'data', manual, allow_missing=True)
  assert list(builder.info.splits) == ['train']
  (manual / '03_01' / '055.jpg').write_bytes(b'')
  with pytest.raises(input_error.InputError, match='no dive is left'):
    _prepare(tmp_path / 'other', manual, allow_missing=True)
  assert not (tmp_path / 'other/mtl_aqa/clips_171x128/1.0.0').exists()


def test_nothing_there_is_refused_even_with_allow_missing(tmp_path):
  manual = tmp_path / 'manual'
  with (
    fake_mtl_aqa.expected_release(fake_mtl_aqa.write_release(manual)),
    pytest.raises(input_error.InputError, match='6 of 6 dives have no'),
  ):
    _prepare(tmp_path / 'data', manual, allow_missing=True)


def test_a_variable_frame_rate_is_refused_even_with_allow_missing(
  tmp_path, manual_dir
):
  manual = tmp_path / 'manual'
  shutil.copytree(manual_dir, manual)
  fake_mtl_aqa.write_video(
    manual / '03.mp4', [1] * 300, times=[*range(150), *range(160, 310)]
  )
  with pytest.raises(input_error.InputError, match='03.mp4: has a variable'):
    _prepare(tmp_path / 'data', manual, allow_missing=True)
