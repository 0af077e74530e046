"""A model of how well data parallelism scales; it measures nothing."""

import dataclasses

# Share of the peak rate that convolutions are assumed to reach.
_UTILIZATION = 0.4
# Share of a chip's links that an all-reduce is assumed to keep busy.
_LINK_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class Chip:
  """Published figures of a chip (Cloud TPU documentation, 2026).

  Attributes:
    flops: bfloat16 operations per second.
    link_bytes: bytes per second over all of its links to other chips.
  """

  flops: float
  link_bytes: float


_CHIPS = {
  'TPU v4': Chip(275e12, 300e9),
  'TPU v5 lite': Chip(197e12, 200e9),
  'TPU v5': Chip(459e12, 600e9),
  'TPU v6 lite': Chip(918e12, 448e9),
}


def efficiency(
  chip: Chip, num_devices: int, flops: float, reduced_bytes: float
) -> float:
  """Returns the share of a step's time that is computation, from 0 to 1.

  The batch of a device stays the same. The gradient's all-reduce comes after
  the whole backward pass, and does not overlap with it. Of n devices each sends
  and receives 2 * (n - 1) / n times the bytes.

  Args:
    chip: figures of one of the chips.
    num_devices: chips that take part.
    flops: operations of a step on one device.
    reduced_bytes: bytes of the arrays that are summed over all devices.
  """
  computing = flops / (chip.flops * _UTILIZATION)
  sent = 2 * (num_devices - 1) / num_devices * reduced_bytes
  return computing / (computing + sent / (chip.link_bytes * _LINK_SHARE))


def describe(
  device_kind: str, num_devices: int, flops: float, reduced_bytes: float
) -> str:
  """Returns the modelled efficiency as a sentence; see `efficiency`."""
  if device_kind not in _CHIPS:
    return f'No model of how it scales: no published figures of {device_kind}.'
  chip = _CHIPS[device_kind]
  share = efficiency(chip, num_devices, flops, reduced_bytes)
  return (
    f'Model, not measured: {100 * share:.1f} % of {num_devices} times one '
    f'device ({flops / 1e12:.2f} Tflop a step and device at '
    f'{100 * _UTILIZATION:.0f} % of {chip.flops / 1e12:.0f} Tflop/s; '
    f'{reduced_bytes / 1e6:.0f} MB summed over {100 * _LINK_SHARE:.0f} % of '
    f'{chip.link_bytes / 1e9:.0f} GB/s of links, after the computation).'
  )
