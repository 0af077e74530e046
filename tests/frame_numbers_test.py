"""Frames have the numbers under which ffmpeg extracts them as images."""

import shutil
import struct
import subprocess

import av
import cv2
import fake_mtl_aqa
import numpy as np
import pytest

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.clips import video_file

CASES = fake_mtl_aqa.SHARED / 'cases'
needs_ffmpeg = pytest.mark.skipif(
  not shutil.which('ffmpeg'), reason='needs ffmpeg'
)
COUNT = 110


def _numbers(images):
  return [fake_mtl_aqa.number(image) for image in images]


def _read(path, **kwargs):
  """Returns what all frames show, and checks that each is found by itself."""
  video = video_file.probe(path, **kwargs)
  frames = video.read(0, video.num_frames)
  shown = _numbers(frames)
  for first in [*range(0, video.num_frames - 1, 17), video.num_frames - 2]:
    assert _numbers(video.read(first, 2)) == shown[first : first + 2]
  return frames


def _extract(path, folder):
  folder.mkdir()
  subprocess.run(
    ['ffmpeg', '-v', 'error', '-i', path, folder / '%06d.png'], check=True
  )
  return [cv2.imread(str(file)) for file in sorted(folder.iterdir())]


def _cut(source, path, first):
  """Cuts without encoding: what is before `first` is hidden, not removed."""
  with av.open(str(source)) as whole, av.open(str(path), 'w') as part:
    stream = whole.streams.video[0]
    copy = part.add_stream_from_template(stream)
    start = int(first / 25 / stream.time_base)
    whole.seek(start, stream=stream)
    for packet in whole.demux(stream):
      if packet.size:
        packet.pts -= start
        packet.dts -= start
        packet.stream = copy
        part.mux(packet)


def _turn(path, matrix):
  """Writes another matrix into the header of an MP4's only track."""
  data = bytearray(path.read_bytes())
  place = data.index(b'tkhd') + 4 + 40
  a, b, c, d = (value << 16 for value in matrix)
  struct.pack_into('>9i', data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
  path.write_bytes(data)


def _bframes_in_avi(path):
  fake_mtl_aqa.write_video(
    path, list(range(COUNT)), 'mpeg4', options={'bf': '2'}
  )


def _h264_in_avi(path):
  fake_mtl_aqa.write_video(path, list(range(COUNT)), options={'bf': '2'})


def _edit_list(path):
  whole = path.with_name('whole.mp4')
  fake_mtl_aqa.write_video(whole, list(range(150)), options={'bf': '0'})
  _cut(whole, path, 40)


def _edit_list_and_bframes(path):
  whole = path.with_name('whole.mp4')
  fake_mtl_aqa.write_video(whole, list(range(150)), options={'bf': '2'})
  _cut(whole, path, 40)


def _sound_first(path, sound='pcm_s16le'):
  times = list(range(5, 5 + COUNT))
  fake_mtl_aqa.write_video(path, list(range(COUNT)), times=times, sound=sound)


def _late_without_sound(path):
  times = list(range(5, 5 + COUNT))
  fake_mtl_aqa.write_video(path, list(range(COUNT)), times=times)


def _sound_and_bframes_in_avi(path):
  fake_mtl_aqa.write_video(
    path,
    list(range(COUNT)),
    'mpeg4',
    options={'bf': '2'},
    sound='pcm_s16le',
  )


def _sound_first_in_a_transport_stream(path):
  _sound_first(path, sound='mp2')


def _sound_and_h264_in_avi(path):
  options = {'bf': '2'}
  fake_mtl_aqa.write_video(
    path, list(range(COUNT)), options=options, sound='pcm_s16le'
  )


VIDEOS = [
  (_bframes_in_avi, 'a.avi', list(range(COUNT))),
  (_h264_in_avi, 'a.avi', list(range(COUNT))),
  (_edit_list, 'a.mp4', list(range(40, 150))),
  (_edit_list_and_bframes, 'a.mp4', list(range(40, 150))),
  (_sound_first, 'a.mkv', [0] * 5 + list(range(COUNT))),
  (_late_without_sound, 'a.mkv', list(range(COUNT))),
  (_sound_first_in_a_transport_stream, 'a.ts', list(range(COUNT))),
  (_sound_and_bframes_in_avi, 'a.avi', [0, *range(COUNT)]),
  (_sound_and_h264_in_avi, 'a.avi', [0, 0, *range(COUNT)]),
]


@pytest.mark.parametrize('write, name, expected', VIDEOS)
@pytest.mark.parametrize('check_rate', [True, False])
def test_frames_have_ffmpegs_numbers(
  tmp_path, write, name, expected, check_rate
):
  path = tmp_path / name
  write(path)
  assert _numbers(_read(path, check_rate=check_rate)) == expected


@needs_ffmpeg
@pytest.mark.parametrize('write, name, expected', VIDEOS)
def test_ffmpeg_numbers_them_so(tmp_path, write, name, expected):
  path = tmp_path / name
  write(path)
  assert _numbers(_extract(path, tmp_path / 'frames')) == expected


# How pixels move: (x, y) to (a x + c y, b x + d y), and the same by NumPy.
TURNS = [
  ((1, 0, 0, 1), lambda image: image),
  ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
  ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
  ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
  ((-1, 0, 0, 1), np.fliplr),
  ((1, 0, 0, -1), np.flipud),
  ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
]


@pytest.mark.parametrize('matrix, turn', TURNS)
def test_frames_are_turned_as_the_file_says(tmp_path, matrix, turn):
  path = tmp_path / 'a.mp4'
  fake_mtl_aqa.write_video(path, [97, 98])
  (plain, _) = video_file.probe(path).read(0, 2)
  _turn(path, matrix)
  (turned, _) = video_file.probe(path).read(0, 2)
  np.testing.assert_array_equal(turned, turn(plain))


@needs_ffmpeg
@pytest.mark.parametrize('matrix, turn', TURNS)
def test_ffmpeg_turns_them_so(tmp_path, matrix, turn):
  path = tmp_path / 'a.mp4'
  fake_mtl_aqa.write_video(path, [97, 98])
  _turn(path, matrix)
  ours = video_file.probe(path).read(0, 2)[0].astype(int)
  theirs = _extract(path, tmp_path / 'frames')[0]
  assert ours.shape == theirs.shape
  assert np.abs(ours - theirs).mean() < 5


@pytest.mark.parametrize('unit', [1, 2])
def test_a_clip_of_variable_rate_that_is_the_dive(tmp_path, unit):
  path = tmp_path / '03_02.mp4'
  times = [unit * k + (k // 7) for k in range(COUNT)]
  fake_mtl_aqa.write_video(path, list(range(COUNT)), times=times)
  frames = _read(path, check_rate=False)
  assert _numbers(frames) == list(range(COUNT))
  with pytest.raises(input_error.InputError, match='variable frame rate'):
    video_file.probe(path)


def test_a_rate_that_is_not_what_the_file_says(tmp_path):
  """Regular, but ffmpeg goes by the rate that is said, and repeats frames."""
  path = tmp_path / '03.mp4'
  fake_mtl_aqa.write_video(
    path, [k % 251 for k in range(400)], rate=1000, times=range(0, 16000, 40)
  )
  assert video_file.probe(path).num_frames == 400
  late = [40 * k + k // 100 * 21 for k in range(400)]
  fake_mtl_aqa.write_video(
    path, [k % 251 for k in range(400)], rate=1000, times=late
  )
  with pytest.raises(input_error.InputError, match='03.mp4: has a variable'):
    video_file.probe(path)


@pytest.mark.parametrize(
  'name, shown, size',
  [
    ('avi_bframes_110.avi', range(110), (64, 96)),
    ('cut_without_encoding.mp4', range(73, 178), (64, 96)),
    ('sound_first.mp4', [0] * 5 + list(range(222)), (64, 96)),
    ('variable_rate_110.mp4', range(110), (64, 96)),
    ('rotated_90.mp4', range(110), (96, 64)),
  ],
)
def test_the_cases_of_public_reports(name, shown, size):
  path = CASES / name
  if not path.exists():
    pytest.skip('needs the cases in ../shared, or AQA_SHARED')
  frames = _read(path, check_rate=False)
  assert {frame.shape[:2] for frame in frames} == {size}
  if name.startswith('rotated'):
    frames = [np.rot90(frame, -1) for frame in frames]
  assert _numbers(frames) == list(shown)


@pytest.mark.parametrize('path', sorted(CASES.glob('*.[am][vp][i4]')))
@needs_ffmpeg
def test_the_cases_against_ffmpeg(tmp_path, path):
  if path.stem.startswith('variable'):
    pytest.skip('ffmpeg repeats frames of it; a dive of its own has them all')
  ours = _read(path)
  theirs = _extract(path, tmp_path / 'frames')
  # After a cut, ffmpeg 5 shows the last frame once more.
  assert len(theirs) - len(ours) in (0, 1)
  theirs = theirs[: len(ours)]
  assert [o.shape for o in ours] == [t.shape for t in theirs]
  for one, other in zip(ours, theirs, strict=True):
    assert np.abs(one.astype(int) - other).mean() < 5


@needs_ffmpeg
@pytest.mark.parametrize('check_rate', [True, False])
@pytest.mark.parametrize('suffix', ['avi', 'mp4', 'mkv'])
def test_cut_without_encoding_around_bframes(tmp_path, suffix, check_rate):
  whole, cut = tmp_path / f'whole.{suffix}', tmp_path / f'cut.{suffix}'
  codec = 'mpeg4' if suffix == 'avi' else 'libx264'
  fake_mtl_aqa.write_video(whole, list(range(200)), codec, options={'bf': '2'})
  command = ['ffmpeg', '-v', 'error', '-ss', '1.5', '-i', whole, '-t', '4']
  subprocess.run([*command, '-c', 'copy', cut], check=True)
  ours = _numbers(_read(cut, check_rate=check_rate))
  theirs = _numbers(_extract(cut, tmp_path / 'frames'))
  # The last frames have gaps, which ffmpeg fills.
  assert len(theirs) - 4 <= len(ours) <= len(theirs)
  assert ours[:-2] == theirs[: len(ours) - 2]


def test_the_remedy_for_any_name(tmp_path):
  folder = tmp_path / "it's 100%d"
  path = folder / 'a b.mp4'
  times = [*range(50), *range(60, 80)]
  fake_mtl_aqa.write_video(path, list(range(70)), times=times)
  with pytest.raises(input_error.InputError) as caught:
    video_file.probe(path, folder=str(folder / 'frames'))
  assert len(str(caught.value).splitlines()) == 1
  if not shutil.which('ffmpeg'):
    return
  command = str(caught.value).split('instead: ')[1]
  subprocess.run(
    command.replace('ffmpeg', 'ffmpeg -v error'), shell=True, check=True
  )
  names = {path.name for path in (folder / 'frames').iterdir()}
  assert names >= {f'{k:06d}.jpg' for k in range(1, 81)}
