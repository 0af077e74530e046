"""The angles of a gymnast's joints in the phases of a vault, with faults."""

import dataclasses

import numpy as np

from tfds_mtl_aqa.simulated_vaults.flight import (
  BOARD_SECONDS,
  FALL_SECONDS,
  HURDLE_SECONDS,
  RISE_SECONDS,
  SINK_SECONDS,
  STEP_SECONDS,
  Flight,
  shape,
  twisting,
)
from tfds_mtl_aqa.simulated_vaults.vault_table import TUCK
from tfds_mtl_aqa.simulation.body import BodyAngles
from tfds_mtl_aqa.simulation.ramp import ramp

_STRIDES_PER_SECOND = 2.1


def body_angles(flight: Flight, t: np.ndarray) -> BodyAngles:
  """Returns the angles of the joints at the instants t."""
  angles = _in_the_air(flight, t)
  before = _before_take_off(flight, t)
  after = _after_landing(flight, t)
  landed = ramp(t, flight.seconds - 0.06, flight.seconds)
  left = ramp(t, -0.02, 0.06)
  mixed = {}
  for field in dataclasses.fields(BodyAngles):
    first, air, last = (
      getattr(part, field.name) for part in (before, angles, after)
    )
    value = first + (air - first) * left
    mixed[field.name] = value + (last - value) * landed
  return BodyAngles(**mixed)


def _in_the_air(flight: Flight, t: np.ndarray) -> BodyAngles:
  """Returns the angles from the take-off to the landing."""
  vault, faults = flight.vault, flight.faults
  folded = shape(flight, t)
  tuck = float(vault.position == TUCK)
  loose = (1 - tuck * folded) * np.deg2rad(faults.knee_bend)
  on_table = ramp(t, 0.5 * flight.table_seconds, flight.table_seconds) * (
    1 - ramp(t, flight.push_seconds - 0.02, flight.push_seconds + 0.08)
  )
  leaves = ramp(t, flight.push_seconds, flight.push_seconds + 0.15)
  opens = ramp(t, flight.seconds - 0.3, flight.seconds - 0.1)

  # Hands at the shins in a tuck, at the toes in a pike, else at the sides.
  grip = -0.5 if tuck else 2.4
  arms = np.pi + (0.35 - np.pi) * leaves
  arms = arms + (grip - arms) * folded
  arms = arms + (1.4 - arms) * opens
  crossed = np.zeros_like(t)
  if vault.twists and not vault.somersaults > 2:
    begin, end = twisting(flight)
    crossed = ramp(t, begin, begin + 0.12) * (1 - ramp(t, end - 0.12, end))
    crossed = crossed * (1 - folded)
  # Backwards onto the table the body is arched.
  arch = (
    -0.35
    * flight.vault.is_yurchenko
    * (
      ramp(t, 0.0, 0.1)
      * (1 - ramp(t, flight.table_seconds, flight.push_seconds))
    )
  )
  zero = np.zeros_like(t)
  return BodyAngles(
    hip=folded * (tuck * 2.3 + (1 - tuck) * 2.3) + 0.45 * loose,
    hip_break=arch,
    knee=folded * tuck * 2.5 + loose,
    spine=folded * (0.3 + 0.25 * tuck),
    apart=zero + np.deg2rad(faults.legs_apart),
    arms=arms,
    elbow=1.9 * tuck * folded + np.deg2rad(faults.arm_bend) * on_table,
    crossed=crossed,
    stride=zero,
    pointed=zero + 1,
  )


def _before_take_off(flight: Flight, t: np.ndarray) -> BodyAngles:
  """Returns the angles of run-up, hurdle or round-off, and springboard."""
  begin = flight.onto_board
  hurdle = begin - (HURDLE_SECONDS if flight.vault.is_yurchenko else 0.0)
  running = 1 - ramp(t, hurdle - 0.05, hurdle + 0.1)
  swing = np.sin(2 * np.pi * _STRIDES_PER_SECOND * (t - hurdle))
  raised = ramp(t, hurdle, begin + 0.1)
  arms = 0.35 + (np.pi - 0.35) * raised
  press = ramp(t, -BOARD_SECONDS - 0.05, -0.6 * BOARD_SECONDS) * (
    1 - ramp(t, -0.5 * BOARD_SECONDS, 0.0)
  )
  zero = np.zeros_like(t)
  stride = 0.75 * running * swing
  apart = zero
  if flight.vault.is_yurchenko:
    # A round-off is a cartwheel at first.
    half = begin + 0.3
    apart = 1.1 * ramp(t, begin, begin + 0.15) * (1 - ramp(t, half, half + 0.2))
    stride = stride + 0.3 * (
      ramp(t, hurdle, begin) * (1 - ramp(t, begin, begin + 0.2))
    )
  else:
    arms = arms - 0.9 * press
  return BodyAngles(
    hip=0.5 * press + 0.25 * running,
    hip_break=zero,
    knee=0.8 * press + 0.55 * running,
    spine=zero,
    apart=apart,
    arms=arms,
    elbow=1.5 * running,
    crossed=zero,
    stride=stride,
    pointed=1 - 0.8 * running,
  )


def _after_landing(flight: Flight, t: np.ndarray) -> BodyAngles:
  """Returns the angles from the landing on."""
  since = t - flight.seconds
  zero = np.zeros_like(t)
  sunk = ramp(since, -0.05, SINK_SECONDS)
  if flight.faults.fall:
    down = ramp(since, 0.5 * SINK_SECONDS, SINK_SECONDS + FALL_SECONDS)
    hip, knee, arms = (
      (1.4, 1.5, 1.4) if flight.falls_forward else (1.25, 0.1, -0.9)
    )
    return BodyAngles(
      hip=0.35 + 0.7 * sunk + (hip - 1.05) * down,
      hip_break=zero,
      knee=0.4 + 0.9 * sunk + (knee - 1.3) * down,
      spine=zero,
      apart=zero + 0.25 * down,
      arms=1.5 + (arms - 1.5) * down,
      elbow=zero,
      crossed=zero,
      stride=zero,
      pointed=down,
    )
  stands = ramp(since, SINK_SECONDS, RISE_SECONDS)
  bend = 0.35 + 0.65 * sunk - stands
  deeper = 1 + flight.faults.low_height
  stride = zero
  for step in range(flight.faults.steps):
    begin = step_begin(step)
    s = np.clip((since - begin) / STEP_SECONDS, 0, 1)
    stride = stride + (1 if step % 2 else -1) * 0.5 * np.sin(np.pi * s)
  hop = hop_phase(flight, since)
  return BodyAngles(
    hip=0.75 * deeper * bend + 0.3 * hop,
    hip_break=zero,
    knee=1.2 * deeper * bend + 0.5 * hop,
    spine=0.1 * bend,
    apart=zero,
    arms=1.4 + (np.pi - 0.25 - 1.4) * ramp(since, 0.35, 0.85),
    elbow=zero,
    crossed=zero,
    stride=stride,
    pointed=0.3 * hop,
  )


def step_begin(step: int) -> float:
  """Returns when a step begins, s after the landing; steps count from 0."""
  return 0.22 + 0.9 * STEP_SECONDS * step


def hop_phase(flight: Flight, since: np.ndarray) -> np.ndarray:
  """Returns how high a hop is, 0 to 1, at seconds after the landing."""
  if not flight.faults.hop:
    return np.zeros_like(since)
  s = np.clip((since - step_begin(0)) / (1.1 * STEP_SECONDS), 0, 1)
  return 4 * s * (1 - s)
