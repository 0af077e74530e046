"""The weights and batches that the parity goldens were recorded on.

NumPy's RandomState streams are frozen, so that a seed gives them everywhere.
"""

import zlib

import numpy as np

_CAPTION_LENGTH = 100
_VOCABULARY_SIZE = 5779


def weights(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
  """Returns the entry `name` of the official code, in PyTorch's layout."""
  if name.endswith('num_batches_tracked'):
    return np.zeros(shape, np.int64)
  random = np.random.RandomState(zlib.crc32(name.encode()) ^ seed)
  normal = random.standard_normal(shape).astype(np.float32)
  is_vector = len(shape) == 1
  if name.endswith('running_var'):
    return np.exp(0.1 * normal)
  if name.endswith('running_mean') or 'embedding' in name:
    return 0.1 * normal
  if is_vector and 'bn' in name and name.endswith('weight'):
    return 1 + 0.1 * normal
  if is_vector:
    return 0.05 * normal
  fan_in = int(np.prod(shape[1:]))
  return normal * np.float32(np.sqrt(2 / fan_in))


def batch(
  frames: int, size: int, seed: int, dtype: type = np.float32
) -> dict[str, np.ndarray]:
  """Returns two normalised videos with labels, as the training step's batch.

  `score` is in points, `video` about zero; see `input_pipeline`. The values are
  those of float32, whatever the dtype: video and score / 17 were recorded so.
  """
  random = np.random.RandomState(1234 + seed)
  cells = (2, frames // 4 + 1, size // 4 + 1, size // 4 + 1, 3)
  video = random.standard_normal(cells).astype(np.float32)
  for axis in (1, 2, 3):
    video = video.repeat(4, axis)
  scores = (random.uniform(20, 105, 2) / 17).astype(np.float32)
  labels = {
    task: random.randint(0, count, 2)
    for task, count in (
      ('position', 3),
      ('armstand', 2),
      ('rotation_type', 4),
      ('somersaults', 10),
      ('twists', 8),
    )
  }
  words = np.zeros((2, _CAPTION_LENGTH), np.int32)
  word_mask = np.zeros((2, _CAPTION_LENGTH), np.float32)
  for row in range(2):
    length = random.randint(20, 60)
    words[row, 0] = 1
    words[row, 1:length] = random.randint(2, _VOCABULARY_SIZE, length - 1)
    word_mask[row, : length + 1] = 1
  return {
    'video': video[:, :frames, :size, :size].astype(dtype),
    'flip': np.zeros(2, bool),
    'score': scores.astype(dtype) * dtype(17),
    'words': words,
    'word_mask': word_mask,
    **{task: values.astype(np.int32) for task, values in labels.items()},
  }
