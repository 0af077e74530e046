"""Where the joints of a gymnast are during a vault: see `flight` for the axes.

On the ground the feet stay where they are, and on the table the hands; in the
air the centre of mass falls.
"""

import dataclasses
import functools

import numpy as np

from tfds_mtl_aqa.simulated_vaults.body_shape import (
  body_angles,
  hop_phase,
  step_begin,
)
from tfds_mtl_aqa.simulated_vaults.faults import Faults
from tfds_mtl_aqa.simulated_vaults.flight import (
  BOARD_SECONDS,
  HURDLE_SECONDS,
  STEP_SECONDS,
  Flight,
  tilt,
  twist,
)
from tfds_mtl_aqa.simulated_vaults.vault_table import (
  HANDSPRING,
  TSUKAHARA,
  Vault,
)
from tfds_mtl_aqa.simulation.body import INDEX, place_body
from tfds_mtl_aqa.simulation.ramp import ramp, ramp_linear

GRAVITY = 9.81
TABLE_HEIGHT = 1.25
MAT_HEIGHT = 0.2
BOARD_HEIGHT = 0.18
# Where the feet are on the springboard, and the hands on the table.
BOARD_X = -1.25
HAND_X = 0.5
STEP_METRES = 0.42

_ANKLES = [INDEX['ankle_left'], INDEX['ankle_right']]
_WRISTS = [INDEX['wrist_left'], INDEX['wrist_right']]


def plan_flight(
  vault: Vault, faults: Faults, run_speed: float, height: float
) -> Flight:
  """Returns the flight of a vault, with its time in the air under gravity.

  Args:
    vault: the announced vault.
    faults: of the vault.
    run_speed: of the run-up, m/s.
    height: how far the centre of mass rises above where the hands leave the
      table, metres, before `faults.low_height` is taken off.
  """
  table = 0.2 if vault.is_yurchenko else 0.23
  support = 0.24 if vault.entry == TSUKAHARA else 0.2
  rise = max(height - faults.low_height, 0.02)
  flight = Flight(
    vault=vault,
    faults=faults,
    run_speed=run_speed,
    rise_speed=float(np.sqrt(2 * GRAVITY * rise)),
    drift_speed=0.36 * run_speed + (0.3 if vault.entry == HANDSPRING else 0.0),
    table_seconds=table,
    push_seconds=table + support,
    seconds=table + support + 0.8,
  )
  # The poses as the hands leave and as the feet land do not depend on the time
  # between.
  leaves = _placed_by_hands(flight, np.array([flight.push_seconds]))[0]
  pose = _local_joints(flight, np.array([flight.seconds]))[0]
  drop = leaves[1] + rise - (MAT_HEIGHT - pose[:, 1].min())
  seconds = flight.rise_speed / GRAVITY + np.sqrt(2 * drop / GRAVITY)
  return dataclasses.replace(
    flight, seconds=float(flight.push_seconds + seconds)
  )


def _local_joints(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the joints relative to the centre of mass, [n, 17, 3], metres."""
  return place_body(
    body_angles(flight, t),
    tilt=tilt(flight, t),
    facing=flight.facing,
    twist=twist(flight, t),
  )


def _placed_by_hands(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns x and y of the centre of mass, the hands on the table: [n, 2]."""
  wrists = _local_joints(flight, t)[:, _WRISTS, :2].mean(axis=1)
  return np.array([HAND_X, TABLE_HEIGHT + 0.04]) - wrists


@functools.lru_cache(maxsize=64)
def _anchors(flight: Flight) -> tuple[np.ndarray, ...]:
  """Returns the centre of mass where phases meet, [2] each.

  As the feet meet the springboard, as they leave it, as the hands meet the
  table, as they leave it, and as the feet meet the mat.
  """
  on_board = np.array([-BOARD_SECONDS, 0.0])
  joints = _local_joints(flight, on_board)
  feet = joints[:, _ANKLES, 0].mean(axis=1)
  lowest = joints[:, :, 1].min(axis=1)
  board = np.stack([BOARD_X - feet, BOARD_HEIGHT - lowest], axis=1)
  hands = _placed_by_hands(
    flight, np.array([flight.table_seconds, flight.push_seconds])
  )
  seconds = flight.seconds - flight.push_seconds
  fall = flight.rise_speed * seconds - GRAVITY * seconds**2 / 2
  landing = hands[1] + np.array([flight.drift_speed * seconds, fall])
  return board[0], board[1], hands[0], hands[1], landing


def centre_of_mass(
  flight: Flight, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns x and y of the centre of mass: float64 [n] each, metres."""
  joints = _local_joints(flight, t)
  x, y, _ = _centre(flight, t, joints)
  return x, y


def _centre(
  flight: Flight, t: np.ndarray, joints: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the centre of mass of joints that `_local_joints` gave."""
  meets_board, leaves_board, meets_table, leaves_table, lands = _anchors(flight)
  lowest = joints[:, :, 1].min(axis=1)
  feet = joints[:, _ANKLES, 0].mean(axis=1)
  wrists = joints[:, _WRISTS, :2].mean(axis=1)

  # Before the springboard.
  begin = flight.onto_board
  into = 0.55 if flight.vault.is_yurchenko else 0.85
  into *= flight.run_speed
  x = meets_board[0] + into * (np.clip(t, begin, 0) + BOARD_SECONDS)
  x = x + flight.run_speed * np.minimum(t - begin, 0)
  y = _deck(flight, t) - lowest + _hop(flight, t)

  # On it.
  on_board = (t >= -BOARD_SECONDS) & (t < 0)
  x = np.where(on_board, BOARD_X - feet, x)

  # The first flight, under gravity.
  table = flight.table_seconds
  share = np.clip(t / table, 0, 1)
  first = t >= 0
  x = np.where(
    first, leaves_board[0] + share * (meets_table[0] - leaves_board[0]), x
  )
  arc = GRAVITY / 2 * table**2 * share * (1 - share)
  y = np.where(
    first, leaves_board[1] + share * (meets_table[1] - leaves_board[1]) + arc, y
  )

  # The hands on the table.
  support = t >= table
  x = np.where(support, HAND_X - wrists[:, 0], x)
  y = np.where(support, TABLE_HEIGHT + 0.04 - wrists[:, 1], y)

  # The second flight.
  since = np.clip(t - flight.push_seconds, 0, None)
  second = t >= flight.push_seconds
  x = np.where(second, leaves_table[0] + flight.drift_speed * since, x)
  fall = flight.rise_speed * since - GRAVITY * since**2 / 2
  y = np.where(second, leaves_table[1] + fall, y)

  # On the mat.
  landed = t >= flight.seconds
  pose = _local_joints(flight, np.array([flight.seconds]))
  foot = lands[0] + pose[0, _ANKLES, 0].mean()
  since = t - flight.seconds
  stands = foot + _feet_moved(flight, since) - feet
  x = np.where(landed, stands, x)
  lift = (0.06 + 0.12 * flight.faults.hop) * hop_phase(flight, since)
  y = np.where(landed, MAT_HEIGHT - lowest + lift, y)

  z = flight.faults.off_line * ramp_linear(
    t, flight.push_seconds, flight.seconds
  )
  return x, y, z


def _deck(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the height of what carries the gymnast before the take-off."""
  climbs = -BOARD_SECONDS - 0.2
  return BOARD_HEIGHT * ramp(t, climbs, -BOARD_SECONDS)


def _hop(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns how far the run-up's jumps lift the gymnast, metres."""
  jumps = [(flight.onto_board, -BOARD_SECONDS, 0.22)]
  if flight.vault.is_yurchenko:
    begin = flight.onto_board
    jumps = [
      (begin - HURDLE_SECONDS, begin, 0.18),
      (-BOARD_SECONDS - 0.24, -BOARD_SECONDS, 0.16),
    ]
  lift = np.zeros_like(t)
  for begin, end, height in jumps:
    s = np.clip((t - begin) / (end - begin), 0, 1)
    lift = lift + height * 4 * s * (1 - s)
  return lift


def _feet_moved(flight: Flight, since: np.ndarray) -> np.ndarray:
  """Returns how far the feet have gone since the landing, metres."""
  faults = flight.faults
  way = 1.0 if faults.rotation_error >= 0 else -1.0
  moved = np.zeros_like(since)
  for step in range(faults.steps):
    begin = step_begin(step)
    moved = moved + STEP_METRES * ramp(since, begin, begin + STEP_SECONDS)
  begin = step_begin(0)
  moved = moved + faults.hop * ramp_linear(
    since, begin, begin + 1.1 * STEP_SECONDS
  )
  return way * moved


def joint_positions(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the positions of the joints.

  Args:
    flight: the vault.
    t: float64 [n], seconds from the take-off.

  Returns:
    float64 [n, 17, 3], metres, in the order of `body.JOINTS`.
  """
  joints = _local_joints(flight, t)
  return joints + np.stack(_centre(flight, t, joints), axis=-1)[:, None]


def ground_height(x: np.ndarray) -> np.ndarray:
  """Returns the height of floor, table and mat at x, metres."""
  height = np.zeros_like(x)
  height = np.where((x >= 0) & (x < 1.2), TABLE_HEIGHT, height)
  return np.where(x >= 1.3, MAT_HEIGHT, height)
