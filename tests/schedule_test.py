import pytest

from aqa_jax.training.schedule import Due, Schedule

_SCHEDULE = Schedule(num_steps=10, checkpoint_every=4, log_steps=3)
_NOTHING = Due(False, False, False, False, False)


@pytest.mark.parametrize(
  'step, letters',
  [
    (1, ''),
    (2, ''),
    (3, 'l'),
    (4, 'lvs'),
    (5, ''),
    (6, 'l'),
    (8, 'lvs'),
    (9, 'l'),
    (10, 'lvs'),
  ],
)
def test_every_step_by_hand(step, letters):
  due = _SCHEDULE.due(step, is_preempted=False)
  assert due == Due(
    'l' in letters, 'v' in letters, 's' in letters, False, False
  )
  assert _SCHEDULE.is_logged(step) == ('l' in letters)


def test_asked_to_end_between_checkpoints():
  # The line of step 6 counts; step 5 has none.
  assert _SCHEDULE.due(5, True) == Due(False, False, True, True, False)
  assert _SCHEDULE.due(6, True) == Due(True, False, True, True, False)


def test_asked_to_end_at_a_checkpoint():
  # No line either: the next start validates the step, and writes both.
  assert _SCHEDULE.due(8, True) == Due(False, False, True, True, True)


def test_asked_to_end_at_the_last_step():
  assert _SCHEDULE.due(10, True) == _SCHEDULE.due(10, False)


def test_a_checkpoint_every_step():
  schedule = Schedule(3, 1, 5)
  assert all(schedule.due(step, False).saves for step in (1, 2, 3))
  assert _NOTHING not in [schedule.due(step, False) for step in (1, 2, 3)]
