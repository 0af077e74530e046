"""The phases of a vault, and how the body turns in them.

Coordinates are in metres: x from the table's near edge the way that the
gymnast runs, y from the floor up, z across. Times t are float64 [n], in seconds
from the take-off from the springboard; functions of t return an array for these
n instants.
"""

import dataclasses

import numpy as np

from tfds_mtl_aqa.simulated_vaults.faults import Faults
from tfds_mtl_aqa.simulated_vaults.vault_table import (
  HANDSPRING,
  STRAIGHT,
  Vault,
)
from tfds_mtl_aqa.simulation.ramp import ramp, ramp_linear

# The feet are on the springboard this long before the take-off.
BOARD_SECONDS = 0.12
# The jump onto the springboard begins this long before that.
HURDLE_SECONDS = 0.3
ROUND_OFF_SECONDS = 0.62
# After the landing: the body sinks, stands up, and from then on steps or hops.
SINK_SECONDS = 0.14
RISE_SECONDS = 0.5
STEP_SECONDS = 0.34
FALL_SECONDS = 0.45

# Lean of the body, radians: as the feet meet the springboard, as they leave it,
# as the hands meet the table, and as they leave it.
_LEAN_ON = -0.35
_LEAN_OFF = 0.25
_TILT_ON_TABLE = 2.44
_TILT_OFF_TABLE = 3.23
# A good landing has the feet ahead of the body, by this angle.
_LANDING_LEAN = -0.2
_COME_OUT_SECONDS = 0.3


@dataclasses.dataclass(frozen=True)
class Flight:
  """What determines the motion of one vault.

  Attributes:
    vault: the announced vault.
    faults: of the vault.
    run_speed: of the run-up, m/s.
    rise_speed: vertical speed as the hands leave the table, m/s.
    drift_speed: horizontal speed after the table, m/s.
    table_seconds: when the hands meet the table.
    push_seconds: when they leave it.
    seconds: when the feet meet the mat.
  """

  vault: Vault
  faults: Faults
  run_speed: float
  rise_speed: float
  drift_speed: float
  table_seconds: float
  push_seconds: float
  seconds: float

  @property
  def facing(self) -> int:
    """+1 if the gymnast faces the table at the take-off, else -1."""
    return -1 if self.vault.is_yurchenko else 1

  @property
  def landing_facing(self) -> int:
    """+1 if the gymnast lands with the back to the table, else -1."""
    turned = self.vault.twists_onto_table + self.vault.twists
    return self.facing * (1 if turned % 2 == 0 else -1)

  @property
  def landing_tilt(self) -> float:
    """Angle of the body from upright as the feet meet the mat, radians."""
    return _LANDING_LEAN + float(np.deg2rad(self.faults.rotation_error))

  @property
  def falls_forward(self) -> bool:
    """Whether a fall goes to the hands, else to the seat."""
    over = self.faults.rotation_error > 0
    return over == (self.landing_facing > 0)

  @property
  def onto_board(self) -> float:
    """When the jump or the round-off onto the springboard begins."""
    if self.vault.is_yurchenko:
      return -BOARD_SECONDS - ROUND_OFF_SECONDS
    return -BOARD_SECONDS - HURDLE_SECONDS


def tilt(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the angle of the body from upright: float64 [n], radians.

  It grows all the time: about 2 pi from the take-off to the feet over the head
  again, and so on. It ends at a multiple of 2 pi.
  """
  start = -2 * np.pi if flight.vault.is_yurchenko else 0.0
  begin = flight.onto_board
  before = (
    start
    + 0.12
    + (_LEAN_ON - start - 0.12) * ramp_linear(t, begin, -BOARD_SECONDS)
  )
  on_board = _LEAN_ON + (_LEAN_OFF - _LEAN_ON) * (
    np.clip((t + BOARD_SECONDS) / BOARD_SECONDS, 0, 1)
  )
  first = np.clip(t / flight.table_seconds, 0, 1)
  support = flight.push_seconds - flight.table_seconds
  second = np.clip((t - flight.table_seconds) / support, 0, 1)
  turned = np.where(t < -BOARD_SECONDS, before, on_board)
  turned = turned + (_TILT_ON_TABLE - _LEAN_OFF) * first
  turned = turned + (_TILT_OFF_TABLE - _TILT_ON_TABLE) * second
  turned = turned + _after_table(flight, t)
  return turned + _after_landing(flight, t)


def upright(flight: Flight) -> float:
  """Returns the tilt of a gymnast who stands after the landing, radians."""
  return np.pi * (1 + flight.vault.half_turns)


def _after_table(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the rotation since the hands left the table, radians.

  The angular momentum is constant in the air: a tighter shape turns faster.
  """
  grid = np.linspace(flight.push_seconds, flight.seconds, 96)
  speed = 0.8 + 1.3 * shape(flight, grid)
  speed *= 1 - 0.5 * ramp(
    grid, flight.seconds - _COME_OUT_SECONDS, flight.seconds
  )
  turned = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
  total = upright(flight) + flight.landing_tilt - _TILT_OFF_TABLE
  return np.interp(t, grid, turned * total / turned[-1])


def _after_landing(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns how the body straightens, or falls, after the landing."""
  since = t - flight.seconds
  lean = flight.landing_tilt
  if flight.faults.fall:
    # On all fours, or seated.
    end = 0.91 if flight.falls_forward else -0.69
    end *= flight.landing_facing
    return (end - lean) * ramp(since, 0.0, SINK_SECONDS + FALL_SECONDS)
  # A body that leans stays so until the steps bring the feet under it.
  lasting = 0.45 * np.deg2rad(flight.faults.rotation_error)
  first = (lasting - lean) * ramp(since, 0.0, 0.3)
  return first - lasting * ramp(since, 0.25, 0.8)


def shape(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns how far the body is in the tuck or pike: float64 [n], 0 to 1."""
  if flight.vault.position == STRAIGHT:
    return np.zeros_like(t)
  start = flight.push_seconds + 0.03
  end = flight.seconds - _COME_OUT_SECONDS
  return ramp(t, start, start + 0.16) * (1 - ramp(t, end, end + 0.22))


def twist(flight: Flight, t: np.ndarray) -> np.ndarray:
  """Returns the twist since the take-off at t: float64 [n], radians."""
  vault = flight.vault
  turned = np.zeros_like(t)
  if vault.is_yurchenko:
    begin = flight.onto_board
    turned = -np.pi * (1 - ramp(t, begin, begin + 0.75 * ROUND_OFF_SECONDS))
  first = ramp_linear(t, 0.0, flight.table_seconds + 0.06)
  second = ramp_linear(t, *twisting(flight))
  halves = vault.twists_onto_table * first + vault.twists * second
  return turned + np.pi * halves


def twisting(flight: Flight) -> tuple[float, float]:
  """Returns when the twists after the table begin and end."""
  late = 0.12 if flight.vault.entry == HANDSPRING else 0.02
  begin = flight.push_seconds + late
  return begin, flight.seconds - 0.14
