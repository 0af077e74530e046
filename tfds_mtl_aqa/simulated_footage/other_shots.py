"""Shots between the dives: crowd, score board, close-up, and what is no sport.

Each returns uint8 [n, height, width, 3], RGB.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_footage.diver_motion import exercise
from tfds_mtl_aqa.simulated_footage.picture import Picture, reduced
from tfds_mtl_aqa.simulation.body import INDEX
from tfds_mtl_aqa.simulation.ramp import ramp

# Shots are drawn in this size, and then reduced.
_WIDTH, _HEIGHT = 256, 192
_SKIN = np.array([236.0, 190.0, 160.0])
# Joints along each limb, and its width in metres.
_LIMBS = (
  (('shoulder', 'elbow', 'wrist'), 0.105),
  (('hip', 'knee', 'ankle', 'toes'), 0.14),
)


def other_shot(
  seconds: float, picture: Picture, rng: np.random.Generator
) -> np.ndarray:
  """Returns a shot of a random kind.

  Args:
    seconds: its length.
    picture: size and rate of the frames.
    rng: draws kind and content.
  """
  kind = tuple(_KINDS)[rng.choice(len(_KINDS), p=tuple(_KINDS.values()))]
  count = max(round(seconds * picture.frames_per_second), 1)
  times = np.arange(count) / picture.frames_per_second
  return reduced(kind(times, rng), picture, count)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
  red, green, blue = rng.integers(20, 236, 3).tolist()
  return red, green, blue


def _crowd(times: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
  """Rows of people who move a little, under a camera that pans."""
  pitch = int(rng.integers(14, 40))
  rows, seats = _HEIGHT // pitch + 2, 2 * _WIDTH // pitch + 2
  number = rows * seats
  clothes = rng.integers(20, 236, (number, 3)).tolist()
  skins = (rng.uniform(0.4, 1, (number, 1)) * _SKIN).tolist()
  phases = rng.uniform(0, 2 * np.pi, number)
  liveliness = rng.uniform(0, 0.25) * pitch
  rate = rng.uniform(0.5, 2.5)
  pan = rng.uniform(-0.25, 0.25) * _WIDTH
  stand = _colour(rng)
  for t in times:
    image = np.full((_HEIGHT, _WIDTH, 3), stand, np.uint8)
    moved = liveliness * np.sin(2 * np.pi * rate * t + phases)
    for i in range(number):
      x = int((i % seats - 1) * pitch - (_WIDTH / 2 + pan * t / 3) % pitch)
      y = int((i // seats) * pitch + moved[i])
      cv2.ellipse(
        image, (x, y + pitch // 2), (pitch // 2, pitch // 2), 0, 0, 360,
        clothes[i], -1,
      )  # fmt: skip
      cv2.circle(image, (x, y), max(pitch // 4, 1), skins[i], -1)
    yield image


def _score_board(
  times: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
  """A board with lines of text that appear one after the other."""
  ground, panel, ink = _colour(rng), _colour(rng), (240, 240, 240)
  lines = int(rng.integers(2, 8))
  texts = [
    ''.join(rng.choice(list('ABCDEFGHIKLMNOPRSTUVWZ'), rng.integers(4, 10)))
    + f'  {rng.uniform(20, 110):.2f}'
    for _ in range(lines)
  ]
  pause = rng.uniform(0, 0.6)
  slide = rng.uniform(-40, 40)
  for t in times:
    image = np.full((_HEIGHT, _WIDTH, 3), ground, np.uint8)
    shift = int(slide * max(0.5 - t, 0))
    cv2.rectangle(
      image, (20 + shift, 12), (_WIDTH - 20 + shift, _HEIGHT - 12), panel, -1
    )
    for i, text in enumerate(texts):
      if t >= pause * i:
        place = (32 + shift, 36 + i * (_HEIGHT - 48) // lines)
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, ink, 1)
    yield image


def _close_up(
  times: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
  """Head and shoulders of a person who moves a little."""
  wall, suit, hair = _colour(rng), _colour(rng), (40, 30, 25)
  skin = tuple((rng.uniform(0.45, 1) * _SKIN).tolist())
  radius = int(rng.integers(25, 60))
  sway = rng.uniform(0, 25, 2)
  rate = rng.uniform(0.2, 1.2, 2)
  phase = rng.uniform(0, 6, 2)
  light = np.linspace(1.2, 0.8, _WIDTH)[None, :, None]
  back = np.clip(np.array(wall) * light, 0, 255).astype(np.uint8)
  for t in times:
    image = np.repeat(back, _HEIGHT, axis=0)
    x, y = (
      (
        np.array([_WIDTH / 2, 0.42 * _HEIGHT])
        + sway * np.sin(2 * np.pi * rate * t + phase)
      )
      .astype(int)
      .tolist()
    )
    shoulders = (x, y + int(2.4 * radius))
    cv2.ellipse(
      image, shoulders, (2 * radius, int(1.4 * radius)), 0, 0, 360, skin, -1
    )
    cv2.ellipse(
      image, (x, y + 3 * radius), (int(1.5 * radius), int(1.5 * radius)),
      0, 0, 360, suit, -1,
    )  # fmt: skip
    cv2.ellipse(image, (x, y - 6), (radius, int(1.15 * radius)), 0, 0, 360,
                hair, -1)  # fmt: skip
    cv2.ellipse(image, (x, y), (int(0.8 * radius), radius), 0, 0, 360, skin, -1)
    yield image


def _people(
  times: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
  """Persons who do sports, none of which is diving, before a moving camera."""
  number = int(rng.integers(1, 5))
  scale = rng.uniform(25, 140)  # Pixels a metre.
  place = rng.uniform(0.1, 0.9, (number, 2)) * (_WIDTH, _HEIGHT)
  speed = rng.normal(0, 0.3, (number, 2)) * scale * (rng.random() < 0.5)
  bodies = [exercise(times, rng)[..., :2] for _ in range(number)]
  pan = rng.normal(0, 25, 2) * (rng.random() < 0.6)
  skins = [tuple((rng.uniform(0.4, 1) * _SKIN).tolist()) for _ in bodies]
  suits = [_colour(rng) for _ in bodies]
  back = _scenery(rng)
  for i, t in enumerate(times):
    x, y = (np.abs(pan) * t).astype(int) % (_WIDTH, _HEIGHT)
    image = back[y : y + _HEIGHT, x : x + _WIDTH].copy()
    for body, start, velocity, skin, suit in zip(
      bodies, place, speed, skins, suits, strict=True
    ):
      points = start + velocity * t + scale * body[i] * (1, -1)
      _draw_body(image, points, scale, skin, suit)
    yield image


def _draw_body(
  image: np.ndarray,
  points: np.ndarray,
  scale: float,
  skin: tuple[float, ...],
  suit: tuple[int, int, int],
) -> None:
  """Draws a body; `points` are float [17, 2], pixels."""
  fixed = np.round(points).astype(int)
  for side in ('left', 'right'):
    for names, width in _LIMBS:
      path = fixed[[INDEX[f'{name}_{side}'] for name in names]]
      thickness = max(round(width * scale), 1)
      cv2.polylines(image, [path], False, skin, thickness)
  trunk = fixed[[INDEX['neck'], INDEX['pelvis']]]
  cv2.polylines(image, [trunk], False, suit, max(round(0.28 * scale), 1))
  head = fixed[INDEX['head']].tolist()
  cv2.circle(image, head, max(round(0.13 * scale), 1), skin, -1)


def _hand_held(
  times: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
  """A scene that the camera sweeps over, and what stays in front of it."""
  back = _scenery(rng)
  room = np.array([_WIDTH, _HEIGHT])
  place = np.repeat(rng.uniform(0, 1, (1, 2)), len(times), axis=0)
  for _ in range(rng.integers(1, 5)):
    begin = rng.uniform(-0.5, times[-1])
    swept = ramp(times, begin, begin + rng.uniform(0.2, 2.0))
    place = place + swept[:, None] * rng.uniform(-1, 1, 2)
  shaken = rng.uniform(0, 0.03) * rng.standard_normal((len(times), 2))
  corners = ((place + shaken) % 1.0 * room).astype(int)
  number = int(rng.integers(0, 4))
  start = rng.uniform(0, 1, (number, 2)) * room
  size = rng.uniform(10, 120, (number, 2))
  angles, colours = rng.uniform(0, 180, number), [_colour(rng)] * number
  sway = rng.uniform(0, 15, (number, 2))
  for t, (x, y) in zip(times, corners, strict=True):
    image = back[y : y + _HEIGHT, x : x + _WIDTH].copy()
    for i in range(number):
      middle = (start[i] + sway[i] * np.sin(4 * t + i)).astype(int).tolist()
      axes = size[i].astype(int).tolist()
      cv2.ellipse(image, middle, axes, angles[i], 0, 360, colours[i], -1)
    yield image


def _scenery(rng: np.random.Generator) -> np.ndarray:
  """Returns coarse shapes, four times as large as a frame."""
  size = rng.integers(1, 24, 2)
  coarse = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
  smooth = rng.random() < 0.5
  large = cv2.resize(
    coarse,
    (2 * _WIDTH, 2 * _HEIGHT),
    interpolation=cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST,
  )
  share = rng.uniform(0.1, 1.0)
  mixed = share * large + (1 - share) * np.array(_colour(rng))
  return mixed.astype(np.uint8)


def _objects(
  times: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
  """Things of random shapes that fly, fall, turn and swing."""
  number = int(rng.integers(1, 7))
  size = rng.uniform(8, 70, (number, 2))
  start = rng.uniform(0, 1, (number, 2)) * (_WIDTH, _HEIGHT)
  speed = rng.normal(0, 60, (number, 2))
  fall = rng.uniform(0, 200, number) * (rng.random(number) < 0.4)
  spin = rng.normal(0, 200, number)
  swing = rng.uniform(0, 60, number) * (rng.random(number) < 0.4)
  rate = rng.uniform(0.3, 2, number)
  colours = [_colour(rng) for _ in range(number)]
  back = _scenery(rng)[:_HEIGHT, :_WIDTH]
  for t in times:
    image = back.copy()
    for i in range(number):
      place = start[i] + speed[i] * t
      place[0] += swing[i] * np.sin(2 * np.pi * rate[i] * t)
      place[1] += fall[i] * t**2 / 2
      # What leaves the picture comes back on the other side.
      x, y = (place % (1.3 * _WIDTH, 1.3 * _HEIGHT)).astype(int).tolist()
      axes = size[i].astype(int).tolist()
      cv2.ellipse(image, (x, y), axes, spin[i] * t, 0, 360, colours[i], -1)
    yield image


def _still(times: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
  """One picture, or noise, or a single colour that fades."""
  kind = rng.integers(3)
  coarse = rng.integers(0, 256, (*rng.integers(2, 30, 2), 3)).astype(np.uint8)
  picture = cv2.resize(
    coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_LINEAR
  )
  colour = np.array(_colour(rng), float)
  for t in times:
    if kind == 0:
      yield picture
    elif kind == 1:
      yield rng.integers(0, 256, (_HEIGHT, _WIDTH, 3)).astype(np.uint8)
    else:
      faded = colour * max(1 - 0.5 * t, 0)
      yield np.full((_HEIGHT, _WIDTH, 3), faded, np.uint8)


# Shots, and how often they are drawn.
_KINDS = {
  _crowd: 0.1,
  _score_board: 0.1,
  _close_up: 0.05,
  _people: 0.2,
  _hand_held: 0.25,
  _objects: 0.25,
  _still: 0.05,
}
