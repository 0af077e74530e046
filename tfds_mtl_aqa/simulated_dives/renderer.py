"""Draws a simulated dive with OpenCV: the diver in front of the venue."""

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_dives import motion
from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive
from tfds_mtl_aqa.simulated_dives.events import Event
from tfds_mtl_aqa.simulated_dives.splash import SplashPainter
from tfds_mtl_aqa.simulated_dives.venue import Venue
from tfds_mtl_aqa.simulation.athlete import AthletePainter
from tfds_mtl_aqa.simulation.camera import Camera
from tfds_mtl_aqa.simulation.frames import oversampling


def render_dive(
  dive: SimulatedDive, width: int | None = None, height: int | None = None
) -> np.ndarray:
  """Returns the stored frames of a dive.

  Args:
    dive: what to draw.
    width: of a frame, pixels; None for that of the dive's configuration.
    height: of a frame, pixels; None for that of the dive's configuration.

  Returns:
    uint8 [num_frames, height, width, 3], RGB.
  """
  width = width or dive.config.width
  height = height or dive.config.height
  finer = oversampling(height)
  return render_motion(
    dive,
    dive.event,
    dive.frame_times,
    dive.joints,
    dive.camera(width * finer, height * finer),
    (width, height),
  )


def render_motion(
  dive: SimulatedDive,
  event: Event,
  times: np.ndarray,
  joints: np.ndarray,
  camera: Camera,
  size: tuple[int, int],
) -> np.ndarray:
  """Returns frames of a diver at any times.

  Args:
    dive: whose diver and splash to draw.
    event: whose venue to draw.
    times: float64 [n], seconds from take-off.
    joints: float64 [n, 17, 3], positions of the joints at these times, metres.
    camera: that films these times; its frames are `oversampling` times larger
      than `size`.
    size: (width, height) of a frame, pixels.

  Returns:
    uint8 [n, height, width, 3], RGB.
  """
  width, height = size
  venue = Venue.of_event(event, camera.pixels_per_metre)
  diver = AthletePainter(joints, camera, dive.skin, dive.suit)
  splash = SplashPainter(dive, camera)
  board_tips = motion.board_tip(dive.flight, times)
  since_entry = times - dive.flight.seconds
  frames = np.empty((len(times), height, width, 3), np.uint8)
  for i, seconds in enumerate(since_entry):
    image = venue.draw(camera, i, float(board_tips[i]))
    line = max(venue.water_line(camera, i), 0)
    water = image[line:].copy()
    diver.draw(image, i)
    image[line:] = water
    if seconds > 0:
      splash.draw(image, i, float(seconds))
    if camera.height > height:
      image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    frames[i] = image
  return frames
