"""Frames with their times: of files, folders and arrays."""

import fractions
import gc
import os
import pathlib
import struct
import zlib

import av
import cv2
import numpy as np
import pytest

from aqa_jax.judging import video
from aqa_jax.judging.model import FrameFormat
from aqa_jax.judging.window import Window, read_window
from tfds_mtl_aqa.input_error import InputError


def _image(grey):
  return np.full((24, 32, 3), grey, np.uint8)


def write_frames(path, frames, rate):
  """Writes uint8 [frames, height, width, 3], RGB, at a rate."""
  rate = fractions.Fraction(rate)
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('libx264', rate=rate, options={'crf': '12'})
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = 'yuv420p'
    for image in frames:
      frame = av.VideoFrame.from_ndarray(image, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())


def write_video(
  path,
  greys,
  rate=25,
  times=None,
  codec='libx264',
  pix_fmt='yuv420p',
  **options,
):
  """Writes frames of one grey each; `times` are in 1/1000 s."""
  with av.open(str(path), 'w') as container:
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.width, stream.height = 32, 24
    stream.pix_fmt = pix_fmt
    if times is not None:
      stream.codec_context.time_base = fractions.Fraction(1, 1000)
    for index, grey in enumerate(greys):
      frame = av.VideoFrame.from_ndarray(_image(grey), format='bgr24')
      if times is not None:
        frame.pts, frame.time_base = times[index], fractions.Fraction(1, 1000)
      container.mux(stream.encode(frame))
    container.mux(stream.encode())


_GREYS = list(range(20, 220, 5))


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.mov', 'a.ts'])
def test_a_file(tmp_path, name):
  path = tmp_path / name
  write_video(path, _GREYS)
  frames = list(video.read_file(path, []))
  assert [frame.number for frame in frames] == list(range(1, 41))
  np.testing.assert_allclose(
    [frame.seconds for frame in frames], np.arange(40) / 25, atol=2e-3
  )
  greys = [frame.image.mean() for frame in frames]
  np.testing.assert_allclose(greys, _GREYS, atol=4)
  assert frames[0].image.dtype == np.uint8


def test_frames_are_freed_as_they_are_left(tmp_path):
  """Without a collection of garbage, which may come after hundreds of them."""
  write_video(tmp_path / 'a.mp4', _GREYS)
  gc.collect()
  gc.disable()
  try:
    for _ in video.read_file(tmp_path / 'a.mp4', []):
      pass
    # Not isinstance: some objects answer a question after their class.
    left = sum(issubclass(type(e), av.VideoFrame) for e in gc.get_objects())
  finally:
    gc.enable()
  assert left < 3


def test_an_avi_with_frames_out_of_order(tmp_path):
  """An AVI has no times of its own, and B-frames come early."""
  path = tmp_path / 'a.avi'
  write_video(path, _GREYS, codec='mpeg4', bf='2')
  frames = list(video.read_file(path, []))
  seconds = np.array([frame.seconds for frame in frames])
  assert (np.diff(seconds) > 0).all()
  assert seconds[-1] == pytest.approx((len(frames) - 1) / 25, abs=0.1)
  greys = np.array([frame.image.mean() for frame in frames])
  # In their order; to this codec two greys may be one.
  assert (np.diff(greys) >= 0).all() and len(set(greys)) > 20


def test_a_variable_rate(tmp_path):
  times = [0, 40, 80, 200, 210, 400]
  write_video(tmp_path / 'a.mp4', _GREYS[:6], times=times)
  frames = list(video.read_file(tmp_path / 'a.mp4', []))
  np.testing.assert_allclose(
    [1000 * frame.seconds for frame in frames], times, atol=1.5
  )


def test_interlaced(tmp_path):
  """The rows of one moment are light, those of the other one dark."""
  with av.open(str(tmp_path / 'a.mpg'), 'w') as container:
    options = {'flags': '+ildct+ilme', 'top': '1'}
    stream = container.add_stream('mpeg2video', rate=25, options=options)
    stream.width, stream.height, stream.pix_fmt = 32, 24, 'yuv420p'
    stream.bit_rate = 4_000_000
    image = _image(200)
    image[1::2] = 20
    for _ in range(5):
      frame = av.VideoFrame.from_ndarray(image, format='bgr24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  for frame in video.read_file(tmp_path / 'a.mpg', []):
    assert frame.image.shape == (24, 32, 3)
    assert frame.image.min() > 150


def _write_disc(path, size, aspect):
  """Writes a disc that is round as a player shows it: pixels have an aspect."""
  width, height = size
  x, y = np.arange(width) - width / 2, np.arange(height) - height / 2
  is_disc = (x * float(aspect)) ** 2 + y[:, None] ** 2 < (0.4 * height) ** 2
  image = np.repeat(np.uint8(200 * is_disc)[..., None], 3, axis=-1)
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('libx264', rate=25)
    stream.width, stream.height = size
    stream.pix_fmt = 'yuv420p'
    stream.codec_context.sample_aspect_ratio = aspect
    for _ in range(5):
      frame = av.VideoFrame.from_ndarray(image, format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _turn(path):
  """Makes players turn a video by 90 degrees: the matrix of its track."""
  one, last = 1 << 16, 1 << 30
  stored = struct.pack('>9i', one, 0, 0, 0, one, 0, 0, 0, last)
  turned = struct.pack('>9i', 0, one, 0, -one, 0, 0, 0, 0, last)
  start, end = path.read_bytes().split(b'tkhd')
  assert stored in end
  path.write_bytes(start + b'tkhd' + end.replace(stored, turned, 1))


@pytest.mark.parametrize(
  'size, aspect, shown',
  [
    ((180, 144), '16/15', (192, 144)),  # DV of 4:3
    ((180, 144), '64/45', (256, 144)),  # and of 16:9.
    ((180, 120), '8/9', (160, 120)),
    ((144, 108), '4/3', (192, 108)),  # HDV.
    ((160, 120), '1/1', (160, 120)),
  ],
)
@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'turned.mp4'])
def test_pixels_that_are_not_square(tmp_path, name, size, aspect, shown):
  path = tmp_path / name
  _write_disc(path, size, fractions.Fraction(aspect))
  if name.startswith('turned'):
    _turn(path)
    shown = shown[::-1]
  warnings = []
  frames = list(video.read_file(path, warnings))
  assert len(frames) == 5 and not warnings
  image = frames[0].image
  assert image.shape == (*shown[::-1], 3)
  rows, columns = np.nonzero(image[..., 0] > 100)
  assert abs(np.ptp(rows) - np.ptp(columns)) <= 2
  assert np.ptp(rows) == pytest.approx(0.8 * min(shown), abs=2)


def test_pixels_that_can_not_be(tmp_path):
  path = tmp_path / 'a.mkv'
  _write_disc(path, (160, 120), fractions.Fraction(100))
  warnings = []
  frames = list(video.read_file(path, warnings))
  assert frames[0].image.shape == (120, 160, 3)
  assert '100 times as wide as high' in warnings[0]


def test_what_is_narrow_is_so_as_it_is_shown(tmp_path):
  for size, aspect, is_narrow in (
    ((144, 132), '4/3', False),
    ((144, 132), '1/1', True),
    ((160, 120), '3/4', True),
  ):
    path = tmp_path / 'a.mp4'
    _write_disc(path, size, fractions.Fraction(aspect))
    clip = read_window(
      'a.mp4', video.read_file(path, []), FrameFormat(25, 43, 32), 5, Window(),
      with_pictures=True,
    )  # fmt: skip
    assert bool(clip.warnings) == is_narrow
    picture = cv2.imdecode(np.frombuffer(clip.pictures[0], np.uint8), 1)
    ratio = size[0] * float(fractions.Fraction(aspect)) / size[1]
    assert picture.shape[1] / picture.shape[0] == pytest.approx(ratio, rel=0.02)


def test_ten_bits(tmp_path):
  path = tmp_path / 'a.mkv'
  write_video(path, _GREYS, codec='ffv1', pix_fmt='yuv420p10le')
  greys = [frame.image.mean() for frame in video.read_file(path, [])]
  np.testing.assert_allclose(greys, _GREYS, atol=4)


def test_files_that_are_no_videos(tmp_path):
  (tmp_path / 'text.mp4').write_text('no video')
  (tmp_path / 'empty.mp4').touch()
  for path in (*tmp_path.iterdir(), tmp_path / 'absent.mp4'):
    with pytest.raises(InputError, match=path.name):
      list(video.read_file(path, []))


def test_a_file_that_is_cut_short(tmp_path):
  path = tmp_path / 'a.mkv'
  write_video(path, _GREYS * 4)
  data = path.read_bytes()
  path.write_bytes(data[: len(data) // 2])
  try:
    frames = list(video.read_file(path, []))
  except InputError as e:
    assert 'a.mkv' in str(e)
  else:
    assert 0 < len(frames) < 160


def test_an_avi_that_is_cut(tmp_path):
  """Its header says how long it was."""
  path = tmp_path / 'a.avi'
  write_video(path, _GREYS * 4, codec='mpeg4')
  data = path.read_bytes()
  path.write_bytes(data[: len(data) * 2 // 3])
  warnings = []
  frames = list(video.read_file(path, warnings))
  assert 0 < len(frames) < 120
  assert 'damaged' in warnings[0]


def test_frames_that_are_damaged(tmp_path):
  path = tmp_path / 'a.avi'
  write_video(path, _GREYS * 4, codec='mpeg4', g='1')
  data = bytearray(path.read_bytes())
  middle = len(data) // 2
  data[middle : middle + 600] = bytes(600)
  path.write_bytes(data)
  warnings = []
  frames = list(video.read_file(path, warnings))
  assert len(frames) < 160
  assert 'damaged' in warnings[0]


def test_names_with_colons_are_no_addresses(tmp_path, monkeypatch):
  write_video(tmp_path / 'http:a.mp4', _GREYS)
  monkeypatch.chdir(tmp_path)
  path = pathlib.Path('http:a.mp4')
  assert len(list(video.read_file(path, []))) == 40


def test_a_pipe_among_images(tmp_path):
  cv2.imwrite(str(tmp_path / '1.png'), _image(3))
  os.mkfifo(tmp_path / '2.png')
  with pytest.raises(InputError, match='2.png: is no file'):
    list(video.read_folder(tmp_path, 25.0))


def test_an_image_that_is_too_large(tmp_path):
  """A header of 100000 x 100000 pixels, and nothing more."""
  header = struct.pack('>II5B', 100000, 100000, 8, 2, 0, 0, 0)
  chunk = b'IHDR' + header
  crc = struct.pack('>I', zlib.crc32(chunk))
  (tmp_path / '1.png').write_bytes(
    b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk + crc
  )
  with pytest.raises(InputError, match='1.png'):
    list(video.read_folder(tmp_path, 25.0))


def test_a_picture_beside_videos_is_no_video(tmp_path):
  for name in ('a.mp4', 'b.mp4'):
    (tmp_path / name).touch()
  cv2.imwrite(str(tmp_path / 'thumbnail.png'), _image(3))
  assert not video.is_image_folder(tmp_path)
  assert [path.name for path in video.videos_in(tmp_path)] == ['a.mp4', 'b.mp4']


def test_a_folder_of_images(tmp_path):
  for number in (1, 2, 10):
    cv2.imwrite(str(tmp_path / f'{number}.png'), _image(number))
  (tmp_path / '._2.png').write_bytes(b'of macOS')
  (tmp_path / 'notes.txt').touch()
  assert video.is_image_folder(tmp_path)
  frames = list(video.read_folder(tmp_path, 20.0))
  assert [frame.image[0, 0, 0] for frame in frames] == [1, 2, 10]
  assert [frame.seconds for frame in frames] == [0, 0.05, 0.1]
  (tmp_path / '3.png').write_bytes(b'no image')
  with pytest.raises(InputError, match='3.png'):
    list(video.read_folder(tmp_path, 20.0))


def test_the_videos_of_a_folder(tmp_path):
  for name in ('b.MOV', 'a.mp4', 'notes.txt', '._a.mp4'):
    (tmp_path / name).touch()
  (tmp_path / 'frames').mkdir()
  cv2.imwrite(str(tmp_path / 'frames/1.jpg'), _image(3))
  (tmp_path / 'empty').mkdir()
  names = [path.name for path in video.videos_in(tmp_path)]
  assert names == ['a.mp4', 'b.MOV', 'frames']


def test_an_array():
  array = np.zeros((3, 24, 32, 3), np.uint8)
  array[..., 0] = 255
  frames = list(video.read_array(array, 10.0))
  assert [frame.seconds for frame in frames] == [0, 0.1, 0.2]
  # Red is the last channel of BGR.
  assert frames[0].image[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
  'array',
  [
    np.zeros((3, 24, 32, 3), np.float32),
    np.zeros((24, 32, 3), np.uint8),
    np.zeros((3, 24, 32, 4), np.uint8),
    np.zeros((0, 24, 32, 3), np.uint8),
  ],
)
def test_arrays_that_are_no_videos(array):
  with pytest.raises(InputError, match='is no video'):
    list(video.read_array(array, 10.0))


def _playlists(folder):
  """Writes files that name a video beside them, as FFmpeg's formats do."""
  write_video(folder / 'real.ts', _GREYS)
  hls = '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n'
  texts = {
    'concat.mp4': 'ffconcat version 1.0\nfile real.ts\n',
    'hls.m3u8': hls.format('real.ts'),
    'hls.mp4': hls.format('real.ts'),
    'address.m3u8': hls.format('http://127.0.0.1:9/real.ts'),
    'text.nfo': 'a text, which FFmpeg draws\n' * 20,
    'session.sdp': 'v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 26\n',
  }
  for name, text in texts.items():
    (folder / name).write_text(text)
  return [folder / name for name in texts]


def test_files_that_name_others(tmp_path):
  for path in _playlists(tmp_path):
    with pytest.raises(InputError, match=path.name):
      list(video.read_file(path, []))


def _write_large(path, side, codec='mjpeg', pix_fmt='yuvj420p'):
  with av.open(str(path), 'w') as container:
    stream = container.add_stream(codec, rate=5)
    stream.width = stream.height = side
    stream.pix_fmt = pix_fmt
    container.mux(stream.encode(av.VideoFrame(side, side, pix_fmt)))
    container.mux(stream.encode())


def test_frames_that_are_too_large(tmp_path, monkeypatch):
  _write_large(tmp_path / 'a.avi', 64)
  assert len(list(video.read_file(tmp_path / 'a.avi', []))) == 1
  monkeypatch.setattr(video, '_MAX_PIXELS', 64 * 64 - 1)
  monkeypatch.setitem(video._CODEC_OPTIONS, 'max_pixels', str(64 * 64 - 1))
  with pytest.raises(InputError, match=r'a\.avi: has frames of more'):
    list(video.read_file(tmp_path / 'a.avi', []))


def test_frames_that_become_too_large(tmp_path, monkeypatch):
  """A stream of JPEG files, of which each has its own size."""
  data = b''
  for side in (64, 64, 640):
    image = np.full((side, side, 3), 99, np.uint8)
    data += cv2.imencode('.jpg', image)[1].tobytes()
  (tmp_path / 'a.mjpeg').write_bytes(data)
  monkeypatch.setattr(video, '_MAX_PIXELS', 64 * 64)
  monkeypatch.setitem(video._CODEC_OPTIONS, 'max_pixels', str(64 * 64))
  try:
    frames = list(video.read_file(tmp_path / 'a.mjpeg', []))
  except InputError as e:
    assert 'a.mjpeg' in str(e)
  else:
    assert {frame.image.shape for frame in frames} == {(64, 64, 3)}


def test_a_file_whose_description_is_cut(tmp_path):
  """An MP4 has it at its end: which codec it is of is missing."""
  path = tmp_path / 'a.mp4'
  write_video(path, list(range(20, 220, 4)))
  data = path.read_bytes()
  for part in range(70, 100, 3):
    path.write_bytes(data[: len(data) * part // 100])
    with pytest.raises(InputError, match=r'a\.mp4'):
      list(video.read_file(path, []))
