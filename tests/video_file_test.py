import fake_mtl_aqa
import pytest

from tfds_mtl_aqa import input_error
from tfds_mtl_aqa.clips import video_file

SHOWN = [k % 251 for k in range(400)]


def _numbers(images):
  return [fake_mtl_aqa.number(image) for image in images]


@pytest.mark.parametrize(
  'name, codec, options',
  [
    ('a.mp4', 'libx264', {'bf': '2'}),
    ('a.mkv', 'libx264', {'bf': '2'}),
    ('a.avi', 'mpeg4', {}),
    ('a.avi', 'mjpeg', {}),
    ('a.webm', 'libvpx', {'deadline': 'realtime'}),
    ('a.ts', 'libx264', {'bf': '2'}),
  ],
)
def test_seeks_to_the_frame(tmp_path, name, codec, options):
  path = tmp_path / name
  fake_mtl_aqa.write_video(path, SHOWN, codec, options=options)
  video = video_file.probe(path)
  assert video.num_frames == 400
  for first, count in [(0, 3), (1, 1), (29, 3), (123, 109), (397, 3)]:
    assert _numbers(video.read(first, count)) == SHOWN[first : first + count]


@pytest.mark.parametrize('rate', [24, 30, 50])
def test_coarse_times_of_matroska_are_no_variable_rate(tmp_path, rate):
  path = tmp_path / 'a.mkv'
  fake_mtl_aqa.write_video(path, SHOWN, rate=rate)
  assert _numbers(video_file.probe(path).read(350, 20)) == SHOWN[350:370]


@pytest.mark.parametrize('name', ['v.mp4', 'v.mkv'])
@pytest.mark.parametrize(
  'times',
  [
    [*range(200), *range(201, 401)],  # One frame was dropped.
    [*range(200), *range(200, 600, 2)],  # The rate halves.
  ],
)
def test_refuses_a_variable_frame_rate(tmp_path, name, times):
  path = tmp_path / name
  fake_mtl_aqa.write_video(path, SHOWN, times=times)
  with pytest.raises(
    input_error.InputError,
    match=rf'{name}: has a variable frame rate \(frames 20\d and 20\d.*'
    r'ffmpeg -i .* -q:v 2 whole_videos_frames/v/%06d.jpg',
  ):
    video_file.probe(path)
  assert video_file.probe(path, check_rate=False).num_frames == 400


def test_a_file_that_is_no_video(tmp_path):
  path = tmp_path / '03.mp4'
  path.write_bytes(b'<html>Not found</html>' * 100)
  with pytest.raises(input_error.InputError, match='03.mp4: cannot be read'):
    video_file.probe(path)


def test_a_truncated_video_names_the_frames(tmp_path):
  path = tmp_path / '03.mp4'
  fake_mtl_aqa.write_video(path, SHOWN, options={'movflags': 'faststart'})
  whole = path.read_bytes()
  # Put the index first, as downloads have it, then lose the end.
  moov = whole.rindex(b'moov') - 4
  mdat = whole.index(b'mdat') - 4
  assert moov > mdat
  path.write_bytes(whole[: len(whole) // 2])
  with pytest.raises(input_error.InputError, match='truncated'):
    video_file.probe(path)


def test_a_truncated_video_that_opens(tmp_path):
  path = tmp_path / '03.mkv'
  fake_mtl_aqa.write_video(path, SHOWN)
  video = video_file.probe(path)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  with pytest.raises(
    input_error.InputError,
    match=r'03.mkv: can be decoded up to frame \d+ only, frames 101 to 400 are',
  ):
    video.read(100, 300)
  cut = video_file.probe(path)
  assert 100 < cut.num_frames < 300
