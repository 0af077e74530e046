"""A small release with videos, made up for tests: six dives of two events."""

import contextlib
import hashlib
import json
import os
import pathlib
import pickle
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
from tensorflow_datasets.core.download import checksums

from tfds_mtl_aqa import MtlAqa
from tfds_mtl_aqa.mtl_aqa import release

# Where the reference material of the project lies, where there is any.
SHARED = pathlib.Path(
  os.environ.get('AQA_SHARED') or pathlib.Path(__file__).parents[2] / 'shared'
)

# The last frame of every dive's window, counted from 1.
END_FRAMES = {
  (2, 1): 110,
  (2, 2): 150,
  (2, 3): 200,
  (3, 1): 106,
  (3, 2): 130,
  (3, 3): 200,
}
TRAIN = [(3, 2), (2, 1), (2, 3), (3, 1)]
TEST = [(3, 3), (2, 2)]
# Two frames more than the last window: one less than its margin.
EVENT_FRAMES = 202
WORDS = ['<eos>', '<sos>', 'a', 'fine', 'dive', 'indeed']
SIZE = (64, 48)


def write_release(folder: pathlib.Path, **changes) -> dict[str, pathlib.Path]:
  """Writes the files of a release where `manual_dir` may have them.

  Args:
    folder: the manual_dir.
    **changes: another content, by role.
  """
  annotations = {
    key: {
      'primary_view': 0,
      'start_frame': end - 90,
      'end_frame': end,
      'position': key[1] - 1,
      'armstand': 0,
      'rotation_type': key[0],
      'ss_no': 5,
      'tw_no': 1,
      'difficulty': 3.2,
      'final_score': 60.0 + key[1],
    }
    for key, end in END_FRAMES.items()
  }
  caption = ['<sos>', 'a', 'fine', 'dive', '<eos>']
  contents = {
    'annotations': annotations,
    'captions': {
      (np.int64(event), sample): caption for event, sample in END_FRAMES
    }
    | {(np.int64(1), 64): ['<sos>', 'indeed', '<eos>']},
    'judges': {
      key: {
        'judge_scores': np.array([6.5, 7, 7, 7.5, 8, 8, 6]),
        'dive_number': '5152B',
      }
      for key in END_FRAMES
    },
    'train': TRAIN,
    'test': TEST,
    'subset_443': [(2, 1), (3, 3)],
    'subset_279': [(2, 1)],
    'subset_143': [],
    'unlv_train': [(np.uint8(3), np.uint8(1)), (np.uint8(2), np.uint8(2))],
    'unlv_test': [(np.uint8(3), np.uint8(3))],
    'vocabulary': {
      'word_to_ix': {word: index for index, word in enumerate(WORDS)},
      'ix_to_word': {str(index): word for index, word in enumerate(WORDS)},
    },
  } | changes
  paths = {}
  for role, content in contents.items():
    names = release._RELEASE_PATHS | release._JUDGES_PATHS
    path = paths[role] = folder / names[role]
    path.parent.mkdir(parents=True, exist_ok=True)
    if role == 'vocabulary':
      path.write_text(json.dumps(content))
    else:
      protocol = 4 if role == 'judges' else 3
      path.write_bytes(pickle.dumps(content, protocol))
  return paths


def url_infos(paths: dict[str, pathlib.Path]) -> dict[str, checksums.UrlInfo]:
  """Returns the checksums that make a made-up release the expected one."""
  infos = {}
  for role, url in release.URLS.items():
    data = paths[role].read_bytes()
    infos[url] = checksums.UrlInfo(
      size=len(data), checksum=hashlib.sha256(data).hexdigest(), filename=None
    )
  return infos


def expect_release(paths: dict[str, pathlib.Path]) -> None:
  """Makes the builder of this process expect a made-up release."""
  MtlAqa.url_infos = url_infos(paths)


def frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
  """Returns an image that shows a number up to 255 in eight blocks, BGR."""
  bits = [(number >> bit) & 1 for bit in range(8)]
  blocks = np.array(bits, np.uint8).reshape(2, 4) * 255
  image = cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST)
  return np.repeat(image[:, :, None], 3, axis=2)


def number(image: np.ndarray) -> int:
  """Returns the number that an image shows, at whatever size."""
  height, width = image.shape[:2]
  rows = [height // 4, 3 * height // 4]
  columns = [(2 * k + 1) * width // 8 for k in range(4)]
  bits = (image[rows][:, columns, 0] > 127).ravel()
  return sum(int(bit) << k for k, bit in enumerate(bits))


def numbers(jpegs: list[bytes]) -> list[int]:
  """Returns the numbers that JPEG files show."""
  return [
    number(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    for jpeg in jpegs
  ]


def write_frames(
  folder: pathlib.Path, shown: list[int], pattern: str, first: int = 1
) -> None:
  """Writes image files that show numbers, named by `pattern % k`."""
  folder.mkdir(parents=True, exist_ok=True)
  for index, value in enumerate(shown):
    done = cv2.imwrite(str(folder / (pattern % (first + index))), frame(value))
    assert done


def write_video(
  path: pathlib.Path,
  shown: list[int],
  codec: str = 'libx264',
  rate: int = 25,
  times: list[int] | None = None,
  options: dict[str, str] | None = None,
  sound: str = '',
) -> None:
  """Writes a video whose frames show numbers.

  Args:
    path: of the file; its suffix tells the container.
    shown: the numbers.
    codec: FFmpeg's name of the codec.
    rate: frames a second.
    times: of the frames, in units of 1 / rate seconds; None for regular ones.
    options: of the codec.
    sound: codec of a second of silence from time 0 on; '' for none.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  with av.open(str(path), 'w') as container:
    stream = container.add_stream(codec, rate=rate, options=options or {})
    stream.width, stream.height = SIZE
    stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
    stream.gop_size = 30
    audio = container.add_stream(sound, rate=16000) if sound else None
    if audio:
      silence = av.AudioFrame.from_ndarray(
        np.zeros((1, 16000), np.int16), format='s16', layout='mono'
      )
      silence.sample_rate, silence.pts = 16000, 0
      container.mux(audio.encode(silence))
      container.mux(audio.encode())
    for index, value in enumerate(shown):
      image = av.VideoFrame.from_ndarray(frame(value), format='bgr24')
      image.pts = times[index] if times else index
      image.time_base = Fraction(1, rate)
      container.mux(stream.encode(image))
    container.mux(stream.encode())


def write_event_videos(folder: pathlib.Path) -> None:
  """Writes both events as whole videos; each frame shows its number."""
  for event in (2, 3):
    write_video(folder / f'{event:02d}.mp4', list(range(1, EVENT_FRAMES + 1)))


@contextlib.contextmanager
def expected_release(paths: dict[str, pathlib.Path]):
  """Like `expect_release`, for as long as the context lasts."""
  original = MtlAqa.__dict__.get('url_infos')
  expect_release(paths)
  try:
    yield
  finally:
    if original is None:
      del MtlAqa.url_infos
    else:
      MtlAqa.url_infos = original


if __name__ == '__main__':
  # `python fake_mtl_aqa.py <manual_dir> <arguments of prepare>`: prepares the
  # made-up release of that folder.
  from absl import app

  from tfds_mtl_aqa import prepare

  manual = pathlib.Path(sys.argv.pop(1))
  names = release._RELEASE_PATHS | release._JUDGES_PATHS
  expect_release({role: manual / name for role, name in names.items()})
  sys.argv.append(f'--manual_dir={manual}')
  app.run(prepare.main, flags_parser=prepare._parse_flags)
