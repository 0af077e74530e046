"""Poses of a video from a file, in the formats that people have."""

import json
import pathlib
from typing import Any

import numpy as np

from tfds_mtl_aqa.input_error import InputError

# Format -> how many parts a pose has, and which is the head, from 0.
FORMATS = {
  'coco': (17, 0),
  'mpii': (16, 9),
  'mediapipe': (33, 0),
  'boxes26': (26, 0),
}


def read_poses(path: pathlib.Path, kind: str) -> np.ndarray:
  """Returns the poses of a video.

  Args:
    path: file of one video:
      .npy, [frames, parts, 2 or more]: x, y, and what is ignored; or for
        'boxes26' [frames, 26, 4]: the boxes (x1, y1, x2, y2) of a flexible
        mixture of parts, of which the centres count.
      .json, as COCO's keypoint results: a list of {image_id, keypoints, score};
        of the persons of a frame the one with the best score counts. Or a list
        of {joints}, one a frame, as MPII's annotations.
    kind: one of FORMATS, which has the number of the parts and the head.

  Returns:
    float64 [frames, parts, 2], NaN for a part that is not seen: a number that
    is not finite, or COCO's with a visibility of 0.

  Raises:
    InputError: the file can't be read, or holds something else.
  """
  parts, _ = FORMATS[kind]
  try:
    if path.suffix == '.npy':
      with open(path, 'rb') as file:
        poses = np.load(file, allow_pickle=False)
    else:
      poses = _from_json(json.loads(path.read_text('utf-8')), parts)
    poses = np.asarray(poses, np.float64)
  except FileNotFoundError as e:
    raise InputError(
      f'{path}: is not there; give the poses of every dive, with '
      '--config.features.path.'
    ) from e
  except (OSError, ValueError, EOFError, LookupError, TypeError) as e:
    raise InputError(
      f'{path}: can not be read as poses ({type(e).__name__}); give .npy of '
      f'[frames, {parts}, 2], or .json.'
    ) from e
  numbers = 4 if kind == 'boxes26' else 2
  if poses.ndim != 3 or poses.shape[1] != parts or poses.shape[2] < numbers:
    raise InputError(
      f'{path}: has poses of shape {list(poses.shape)}; '
      f'config.features.format={kind!r} has [frames, {parts}, {numbers}].'
    )
  if kind == 'boxes26':
    return (poses[..., :2] + poses[..., 2:4]) / 2
  poses = poses[..., :2]
  return np.where(np.isfinite(poses).all(axis=-1, keepdims=True), poses, np.nan)


def _from_json(entries: list[dict[str, Any]], parts: int) -> np.ndarray:
  if 'keypoints' not in entries[0]:
    return np.array([entry['joints'] for entry in entries], np.float64)
  best: dict[Any, dict[str, Any]] = {}
  for entry in entries:
    frame = entry['image_id']
    if frame not in best or entry['score'] > best[frame]['score']:
      best[frame] = entry
  rows = [np.asarray(best[frame]['keypoints'], float) for frame in sorted(best)]
  points = np.stack(rows).reshape(-1, parts, 3)
  points[points[..., 2] == 0] = np.nan
  return points


def filled(poses: np.ndarray, path: str) -> np.ndarray:
  """Returns poses whose missing parts are interpolated in time.

  Args:
    poses: float [frames, parts, 2], NaN for what is missing.
    path: where they are from, for the error.

  Raises:
    InputError: a part is in no frame.
  """
  result = poses.copy()
  frames = np.arange(len(poses))
  for part in range(poses.shape[1]):
    is_seen = np.isfinite(poses[:, part]).all(axis=-1)
    if not is_seen.any():
      raise InputError(
        f'{path}: part {part} (from 0) is in no frame; give poses with all '
        'parts.'
      )
    for axis in (0, 1):
      result[:, part, axis] = np.interp(
        frames, frames[is_seen], poses[is_seen, part, axis]
      )
  return result
