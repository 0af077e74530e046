import os
import pathlib
import re

import cv2
import fake_mtl_aqa
import numpy as np
import pytest

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.clips import clip, frame_sources
from tfds_mtl_aqa.mtl_aqa.frame_layouts import sought_dive

EVENT = list(range(1, fake_mtl_aqa.EVENT_FRAMES + 1))
# What is stored of a dive that ends at frame 150: 103 frames and 3 each side.
AT_150 = list(range(45, 154))


def _sought(key=(3, 2), end_frame=150):
  return sought_dive(key, end_frame - 90, end_frame)


def _stored(folder, key=(3, 2), end_frame=150):
  sought = _sought(key, end_frame)
  found = frame_sources.FrameSources(folder).find(sought)
  assert isinstance(found, clip.Clip), found
  encoder = clip.ClipEncoder({'a': found}, (171, 128))
  padding, jpegs = clip.split_record(encoder('a'))
  return padding, fake_mtl_aqa.numbers(jpegs)


@pytest.mark.parametrize(
  'folder, pattern',
  [
    ('whole_videos_frames/03', '%06d.jpg'),  # A, official
    ('MTL-AQA/new/new_total_frames_256s/03', '%08d.jpg'),  # D, CoRe
    ('MTL-AQA/new/03', '%08d.jpg'),  # D
    ('new_total_frames_256s/3', '%08d.jpg'),  # D, as its documentation says
    ('video3_frames', '%d.jpg'),  # F, not padded
    ('03', 'img_%05d.png'),
  ],
)
def test_frames_of_an_event(tmp_path, folder, pattern):
  fake_mtl_aqa.write_frames(tmp_path / folder, EVENT, pattern)
  assert _stored(tmp_path) == ((0, 0), AT_150)


def test_frames_counted_from_zero(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT, '%06d.jpg', first=0)
  assert _stored(tmp_path) == ((0, 0), AT_150)


def test_only_the_frames_of_the_dive_are_there(tmp_path):
  fake_mtl_aqa.write_frames(
    tmp_path / '03', list(range(48, 151)), '%06d.jpg', first=48
  )
  window = list(range(48, 151))
  assert _stored(tmp_path) == ((3, 3), [48] * 3 + window + [150] * 3)


@pytest.mark.parametrize('name', ['03.mp4', 'videos/3.mkv', 'video3.MP4'])
def test_video_of_an_event(tmp_path, name):
  fake_mtl_aqa.write_video(tmp_path / name, EVENT)
  assert _stored(tmp_path) == ((0, 0), AT_150)


@pytest.mark.parametrize('as_video', [True, False])
def test_the_window_at_the_ends_of_an_event(tmp_path, as_video):
  if as_video:
    fake_mtl_aqa.write_video(tmp_path / '03.mp4', EVENT)
  else:
    fake_mtl_aqa.write_frames(tmp_path / '03', EVENT, '%06d.jpg')
  assert _stored(tmp_path, end_frame=200) == (
    (0, 1),
    [*range(95, 203), 202],
  )
  assert _stored(tmp_path, end_frame=104) == (
    (2, 0),
    [1, 1, *range(1, 108)],
  )


@pytest.mark.parametrize(
  'folder',
  ['data/frames/03_02', 'MTL_AQA/frames_long/03_02', '03_02', 'frames/03_02'],
)
@pytest.mark.parametrize(
  'num_frames, padding, expected',
  [
    (103, (3, 3), [1] * 3 + list(range(1, 104)) + [103] * 3),
    (104, (2, 3), [1] * 2 + list(range(1, 105)) + [104] * 3),
    (107, (1, 1), [1] + list(range(1, 108)) + [107]),
    (109, (0, 0), list(range(1, 110))),
    # The window is told by its end: the entry must be in it.
    (150, (0, 0), list(range(42, 151))),
  ],
)
def test_frames_of_a_dive(tmp_path, folder, num_frames, padding, expected):
  fake_mtl_aqa.write_frames(
    tmp_path / folder, list(range(1, num_frames + 1)), '%08d.jpg', first=7
  )
  assert _stored(tmp_path) == (padding, expected)


@pytest.mark.parametrize(
  'name, codec',
  [
    ('03_02.avi', 'mjpeg'),
    ('mtl_aqa_03_02.avi', 'mpeg4'),
    ('dives/03_02.mp4', 'libx264'),
    ('diving/002.avi', 'mjpeg'),  # AQA-7
  ],
)
def test_video_of_a_dive(tmp_path, name, codec):
  shown = list(range(1, 104))
  fake_mtl_aqa.write_video(tmp_path / name, shown, codec)
  assert _stored(tmp_path) == ((3, 3), [1] * 3 + shown + [103] * 3)


def test_a_long_video_of_a_dive_keeps_its_end(tmp_path):
  path = tmp_path / '03_02.mp4'
  fake_mtl_aqa.write_video(path, list(range(1, 151)))
  assert _stored(tmp_path) == ((0, 0), list(range(42, 151)))


def test_a_dive_of_variable_rate(tmp_path):
  """All its frames are taken in their order: their times do not matter."""
  times = [k + k // 5 for k in range(104)]
  shown = list(range(1, 105))
  fake_mtl_aqa.write_video(tmp_path / '03_02.mp4', shown, times=times)
  assert _stored(tmp_path) == ((2, 3), [1] * 2 + shown + [104] * 3)


@pytest.mark.parametrize('name', ['video3.mp4', '3.mp4', 'videos/03.mp4'])
def test_the_remedy_for_a_variable_rate_works(tmp_path, name):
  times = [k + k // 5 for k in range(202)]
  fake_mtl_aqa.write_video(tmp_path / name, EVENT, times=times)
  with pytest.raises(input_error.InputError) as caught:
    frame_sources.FrameSources(tmp_path).find(_sought())
  folder = re.search('mkdir -p ([^ ]+) ', str(caught.value))[1]
  assert f'ffmpeg -i {tmp_path / name} ' in str(caught.value)
  fake_mtl_aqa.write_frames(pathlib.Path(folder), EVENT, '%06d.jpg')
  assert _stored(tmp_path) == ((0, 0), AT_150)


def test_the_remedy_for_a_damaged_dive_is_looked_at(tmp_path):
  path = tmp_path / '03_02.mp4'
  fake_mtl_aqa.write_video(path, EVENT[:103])
  video = frame_sources.FrameSources(tmp_path).find(_sought()).frames.video
  fake_mtl_aqa.write_frames(pathlib.Path(video.folder), [7] * 109, '%d.jpg')
  assert _stored(tmp_path) == ((0, 0), [7] * 109)


@pytest.mark.parametrize('name', ['03.mp4', '03_02.avi'])
def test_a_pipe_is_no_video(tmp_path, name):
  os.mkfifo(tmp_path / name)
  with pytest.raises(input_error.InputError, match=f'{name}: is a pipe'):
    frame_sources.FrameSources(tmp_path).find(_sought())
  sources = frame_sources.FrameSources(tmp_path, allow_unreadable=True)
  assert f'{name}: is a pipe' in sources.find(_sought())


def test_a_pipe_is_no_frame(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03_02', EVENT[:103], '%d.jpg')
  (tmp_path / '03_02' / '7.jpg').unlink()
  os.mkfifo(tmp_path / '03_02' / '7.jpg')
  with pytest.raises(input_error.InputError, match='7.jpg: is a pipe'):
    _stored(tmp_path)


def test_a_dive_that_an_unreadable_event_lacks(tmp_path):
  (tmp_path / '03.mp4').write_bytes(b'')
  sources = frame_sources.FrameSources(tmp_path, allow_unreadable=True)
  assert '03.mp4: cannot be read as a video' in sources.find(_sought())
  fake_mtl_aqa.write_frames(tmp_path / '03_02', [7] * 109, '%d.jpg')
  assert isinstance(sources.find(_sought()), str)  # Read once.
  found = frame_sources.FrameSources(tmp_path, allow_unreadable=True).find(
    _sought()
  )
  assert isinstance(found, clip.Clip)


def test_ignores_the_files_that_macos_adds(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT, '%06d.jpg')
  fake_mtl_aqa.write_video(tmp_path / '02.mp4', EVENT)
  for name in ('03/._000001.jpg', '._02.mp4', '._03'):
    (tmp_path / name).write_bytes(b'Mac OS X')
  assert _stored(tmp_path) == ((0, 0), AT_150)
  assert _stored(tmp_path, key=(2, 1)) == ((0, 0), AT_150)


def test_aqa7_frames_go_to_the_right_dive(tmp_path):
  # Id 9 is (3, 10): MTL-AQA's (3, 9) is not in AQA-7.
  folder = tmp_path / 'diving-out' / '009'
  fake_mtl_aqa.write_frames(folder, list(range(1, 104)), 'img_%05d.jpg')
  assert _stored(tmp_path, key=(3, 10))[0] == (3, 3)
  assert frame_sources.FrameSources(tmp_path).find(_sought((3, 9))) == ''


def test_sample_numbers_above_99(tmp_path):
  fake_mtl_aqa.write_video(tmp_path / '01_105.avi', EVENT[:103], 'mjpeg')
  assert _stored(tmp_path, key=(1, 105))[0] == (3, 3)


def test_an_event_comes_before_its_dives(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT, '%06d.jpg')
  fake_mtl_aqa.write_frames(tmp_path / '03_02', [7] * 109, '%06d.jpg')
  assert _stored(tmp_path) == ((0, 0), AT_150)


def test_a_dive_that_the_event_lacks_is_taken_from_its_own_frames(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT[:140], '%06d.jpg')
  fake_mtl_aqa.write_frames(tmp_path / '03_02', [7] * 109, '%06d.jpg')
  assert _stored(tmp_path) == ((0, 0), [7] * 109)


def test_says_why_sources_do_not_do(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT[:140], '%06d.jpg')
  fake_mtl_aqa.write_video(tmp_path / '03.mp4', EVENT[:149])
  fake_mtl_aqa.write_frames(tmp_path / '03_02', EVENT[:102], '%06d.jpg')
  fake_mtl_aqa.write_video(tmp_path / '03_02.avi', EVENT[:60], 'mjpeg')
  reasons = frame_sources.FrameSources(tmp_path).find(_sought()).split('; ')
  assert 'holds 140 frames, 1 to 140; frame 141 is not there' in (
    '; '.join(reasons[:2])
  )
  assert '03.mp4: has 149 frames' in '; '.join(reasons)
  assert f'{tmp_path / "03_02"}: has 102 frames, 103 are needed' in reasons
  assert f'{tmp_path / "03_02.avi"}: has 60 frames, 103 are needed' in reasons


def test_a_gap_in_a_dive(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03_02', EVENT[:120], '%d.jpg')
  (tmp_path / '03_02' / '60.jpg').unlink()
  reason = frame_sources.FrameSources(tmp_path).find(_sought())
  assert reason.endswith('03_02: frame 60 is not there')


def test_refuses_ambiguous_files(tmp_path):
  fake_mtl_aqa.write_video(tmp_path / '03.mp4', EVENT)
  (tmp_path / '03.mkv').write_bytes((tmp_path / '03.mp4').read_bytes())
  with pytest.raises(input_error.InputError, match='03.mkv and 03.mp4: both'):
    frame_sources.FrameSources(tmp_path).find(_sought())


def test_refuses_a_frame_number_twice(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT, '%06d.jpg')
  fake_mtl_aqa.write_frames(tmp_path / '03', [1], '%d.jpg', first=77)
  with pytest.raises(input_error.InputError, match='both frame 77'):
    frame_sources.FrameSources(tmp_path).find(_sought())


def test_nothing_there(tmp_path):
  assert frame_sources.FrameSources(tmp_path).find(_sought()) == ''


def _damage_half(data):
  return data[: len(data) // 2]


@pytest.mark.parametrize(
  'damage', [_damage_half, lambda data: b'', lambda data: b'x' * len(data)]
)
def test_names_a_corrupt_jpeg(tmp_path, damage):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT, '%06d.jpg')
  path = tmp_path / '03' / '000100.jpg'
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(
    input_error.InputError, match='000100.jpg: is not a whole image'
  ):
    _stored(tmp_path)


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
@pytest.mark.parametrize('seed', range(6))
def test_names_an_image_with_damage_inside(tmp_path, capfd, suffix, seed):
  """OpenCV decodes it, wrongly, with no more than a warning."""
  rng = np.random.default_rng(seed)
  noise = rng.integers(0, 256, (128, 171, 3)).astype(np.uint8)
  image = cv2.normalize(
    cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX
  )
  (tmp_path / '03').mkdir()
  for k in range(1, 110):
    path = tmp_path / '03' / f'{k}.{suffix}'
    assert cv2.imwrite(str(path), image)
  _stored(tmp_path, end_frame=106)
  path = tmp_path / '03' / f'50.{suffix}'
  data = bytearray(path.read_bytes())
  data[2000:2300] = rng.bytes(300)
  path.write_bytes(data)
  with pytest.raises(
    input_error.InputError, match=f'50.{suffix}: is not a whole image'
  ):
    _stored(tmp_path, end_frame=106)
  assert capfd.readouterr().err == ''


def test_what_others_write_meanwhile_is_not_lost(tmp_path, capfd, monkeypatch):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT, '%06d.jpg')
  decode = cv2.imdecode

  def decode_and_tell(*arguments):
    os.write(2, b'x')
    return decode(*arguments)

  monkeypatch.setattr(cv2, 'imdecode', decode_and_tell)
  found = frame_sources.FrameSources(tmp_path).find(_sought())
  assert len(found.frames.read()) == 109
  assert capfd.readouterr().err == 'x' * 109


@pytest.mark.parametrize('size', [(171, 128), (None, None)])
def test_names_a_frame_of_another_size(tmp_path, size):
  fake_mtl_aqa.write_frames(tmp_path / '03_02', EVENT[:109], '%d.jpg')
  path = tmp_path / '03_02' / '7.jpg'
  assert cv2.imwrite(str(path), fake_mtl_aqa.frame(7, (32, 24)))
  found = frame_sources.FrameSources(tmp_path).find(_sought())
  with pytest.raises(
    input_error.InputError,
    match=f'{path}: is 32x24, the other frames of the dive are 64x48',
  ):
    clip.ClipEncoder({'a': found}, size)('a')


def test_stored_frames_have_the_size_and_the_quality(tmp_path):
  rng = np.random.default_rng(0)
  noise = rng.integers(0, 256, (360, 640, 3)).astype(np.uint8)
  image = cv2.GaussianBlur(noise, (0, 0), 5)
  (tmp_path / '03').mkdir()
  for k in range(1, 110):
    assert cv2.imwrite(str(tmp_path / '03' / f'{k}.png'), image)
  for size in [(171, 128), (640, 360), (1280, 720)]:
    found = frame_sources.FrameSources(tmp_path).find(_sought((3, 1), 106))
    encoder = clip.ClipEncoder({'a': found}, size)
    _, jpegs = clip.split_record(encoder('a'))
    stored = cv2.imdecode(np.frombuffer(jpegs[50], np.uint8), 1).astype(float)
    assert stored.shape == (size[1], size[0], 3)
    error = stored - cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    assert np.abs(error).mean() < 2
    # The three components' sampling factors: 2x2, 1x1, 1x1 (4:2:0).
    start = jpegs[50].index(b'\xff\xc0')
    assert [jpegs[50][start + k] for k in (11, 14, 17)] == [0x22, 0x11, 0x11]


def test_the_fingerprint_follows_the_files(tmp_path):
  fake_mtl_aqa.write_frames(tmp_path / '03', EVENT, '%06d.jpg')

  def fingerprint(size=(171, 128)):
    found = frame_sources.FrameSources(tmp_path).find(_sought())
    return clip.ClipEncoder({'a': found}, size).fingerprint('a')

  before = fingerprint()
  assert fingerprint() == before
  assert fingerprint((640, 360)) != before
  cv2.imwrite(str(tmp_path / '03' / '000001.jpg'), fake_mtl_aqa.frame(9))
  assert fingerprint() == before  # Not a frame of this dive.
  cv2.imwrite(str(tmp_path / '03' / '000100.jpg'), fake_mtl_aqa.frame(9))
  assert fingerprint() != before
