"""Features of poses: Pose+DCT (Pirsiavash et al., ECCV 2014)."""

import pathlib
from collections.abc import Mapping

import numpy as np
import scipy.fft

from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.features.feature_source import FeatureSource
from aqa_jax.features.pose_file import FORMATS, filled, read_poses
from tfds_mtl_aqa.input_error import InputError


class PoseFeatures(FeatureSource):
  """The discrete cosine transform of the joints' paths.

  Fields of its config: path, of the file of a dive, in which {name} stands for
  a label of the dataset, such as poses/{event:02d}_{sample:02d}.npy; '' for the
  dataset's own feature `poses`; format, see `pose_file`; head, the number of
  the head's part, from 0, -1 for the format's; coefficients; and segments.
  """

  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, features]; see `FeatureSource`."""
    config = self.config
    if config.format not in FORMATS:
      raise InputError(
        f"config.features.format='{config.format}': give one of "
        f'{", ".join(FORMATS)}.'
      )
    for name in ('coefficients', 'segments'):
      if config[name] < 1:
        raise InputError(
          f'config.features.{name}={config[name]}: give 1 or more.'
        )
    rows = []
    for index in range(len(dives)):
      poses, head = self._poses(split, dives, index)
      if not 0 <= head < poses.shape[1]:
        raise InputError(
          f'config.features.head={head}: a pose has {poses.shape[1]} parts; '
          'give a number from 0.'
        )
      rows.append(pose_dct(poses, head, config.coefficients, config.segments))
    return np.stack(rows)

  def _poses(
    self, split: str, dives: DiveSplit, index: int
  ) -> tuple[np.ndarray, int]:
    """Returns the poses of a dive, and which part is the head."""
    config = self.config
    if config.path:
      labels = {
        name: values[index].item()
        for name, values in dives.labels.items()
        if isinstance(values, np.ndarray) and values.ndim == 1
      }
      try:
        path = pathlib.Path(config.path.format(**labels)).expanduser()
      except (LookupError, ValueError, AttributeError, TypeError) as e:
        raise InputError(
          f"config.features.path='{config.path}': can not be filled in ({e}); "
          'give in braces labels of the dataset, of '
          f'{", ".join(sorted(labels))}.'
        ) from e
      poses = filled(read_poses(path, config.format), str(path))
      head = FORMATS[config.format][1]
    else:
      example = dives[index]
      if 'poses' not in example:
        raise InputError(
          "config.features.path='': the dataset has no poses; give the files "
          'of the poses, such as poses/{event:02d}_{sample:02d}.npy.'
        )
      # The first joint of the simulator is the head.
      poses, head = np.asarray(example['poses'], np.float64), 0
    return poses, head if config.head < 0 else config.head

  def facts(self) -> Mapping[str, str]:
    """Returns what is transformed."""
    config = self.config
    return {
      'features': f'{config.coefficients} DCT coefficients of '
      f'{config.format if config.path else "true"} poses'
    }


def pose_dct(
  poses: np.ndarray, head: int, coefficients: int = 50, segments: int = 1
) -> np.ndarray:
  """Returns the features of one video (Pirsiavash et al., section 3.1).

  The positions of the parts less that of the head; of each coordinate, in each
  segment of time, sum over n of x[n] cos(pi / N * k * (n + 0.5)) for k from 0,
  not normalised; absolute values. The authors take 50 coefficients, one segment
  for dives and ten for skating.

  Args:
    poses: float [frames, parts, 2].
    head: number of the head's part, from 0.
    coefficients: number of coefficients; zeros where a segment has fewer
      frames.
    segments: parts of about the same length into which the video is cut.

  Returns:
    float64 [segments * coefficients * 2 * parts]: by segment, then coefficient,
    then all x and all y.
  """
  centred = np.asarray(poses, np.float64) - poses[:, head : head + 1]
  # [frames, 2 * parts], all x before all y.
  coordinates = centred.transpose(0, 2, 1).reshape(len(centred), -1)
  found = []
  for segment in np.array_split(coordinates, segments):
    spectrum = np.zeros((coefficients, coordinates.shape[1]))
    if len(segment):
      # SciPy's transform has a factor of 2.
      transformed = scipy.fft.dct(segment, type=2, axis=0)[:coefficients] / 2
      spectrum[: len(transformed)] = np.abs(transformed)
    found.append(spectrum)
  return np.concatenate(found).ravel()
