"""The marks of seven judges, and which of them count.

World Aquatics' rules of diving: of the marks of seven judges the two highest
and the two lowest are cancelled, and the sum of the other three counts. Of
equal marks any may be cancelled: the sum is the same.
"""

import numpy as np
from numpy.typing import ArrayLike

NUM_JUDGES = 7
HIGHEST_MARK = 10.0
# Between two marks that a judge can give.
STEP = 0.5
_CANCELLED = 2


def counting(marks: ArrayLike) -> np.ndarray:
  """Returns which marks count.

  Args:
    marks: float [..., 7].

  Returns:
    bool [..., 7], three of the seven. Of equal marks those of the later judges
    are cancelled as the highest.
  """
  marks = np.asarray(marks)
  order = np.argsort(marks, axis=-1, kind='stable')
  ranks = np.argsort(order, axis=-1, kind='stable')
  return (ranks >= _CANCELLED) & (ranks < marks.shape[-1] - _CANCELLED)


def trimmed_sum(marks: ArrayLike) -> np.ndarray:
  """Returns the sum of the marks that count, float [...], 0 to 30.

  Args:
    marks: float [..., 7].
  """
  ordered = np.sort(np.asarray(marks), axis=-1)
  return ordered[..., _CANCELLED:-_CANCELLED].sum(axis=-1)


def scoreboard(marks: ArrayLike) -> str:
  """Returns the marks of a dive as a text, those that do not count in brackets.

  Such as '7.0 (7.5) 7.0 7.0 (6.5) (7.5) (6.5)'.

  Args:
    marks: float [7].
  """
  marks = np.asarray(marks)
  return ' '.join(
    f'{mark:.1f}' if counts else f'({mark:.1f})'
    for mark, counts in zip(marks, counting(marks), strict=True)
  )
