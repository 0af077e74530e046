import io

import pytest

from aqa_jax.training import progress


def test_format_progress():
  losses = {'loss': 3.2091, 'score': 1.9, 'classes': 1.2, 'captions': 0.1}
  assert progress.format_progress(120, 2000, losses, 31.24, 200.4) == (
    'step 120/2000  loss 3.21 (score 1.9 classes 1.2 captions 0.1)  '
    '31.2 dives/s  3m20s left'
  )
  assert progress.format_progress(1, 9, {'loss': 12345.6}) == (
    'step 1/9  loss 12346'
  )
  assert progress.format_progress(1, 9, {'score': float('nan')}) == (
    'step 1/9  score nan'
  )
  assert progress.format_progress(1, 9, {}, 0.031, 0) == (
    'step 1/9  0.031 dives/s  0s left'
  )


@pytest.mark.parametrize(
  ('seconds', 'expected'),
  [
    (0.4, '0s'),
    (59.6, '1m00s'),
    (200, '3m20s'),
    (3599.7, '1h00m'),
    (7500, '2h05m'),
    (97200, '1d03h'),
  ],
)
def test_format_duration(seconds, expected):
  assert progress.format_duration(seconds) == expected


class Terminal(io.StringIO):
  def isatty(self):
    return True


def run_progress(stream, times, num_steps=6, **settings):
  clock = {}
  line = progress.ProgressLine(
    num_steps,
    batch_size=8,
    stream=stream,
    clock=lambda: clock['now'],
    **settings,
  )
  for step, now in enumerate(times, 1):
    clock['now'] = now
    line.update(step, {'loss': 10.0 / step})
  return line


def test_progress_lines_of_a_log_file():
  stream = io.StringIO()
  # Step 1 compiles for 90 s, which neither speed nor time left counts; step 4
  # is the first of those 10 s after a line.
  run_progress(stream, [90, 94, 98, 102, 103, 104])
  assert stream.getvalue().splitlines() == [
    'step 1/6  loss 10',
    'step 4/6  loss 2.5  2 dives/s  8s left',
    'step 6/6  loss 1.67  8 dives/s  0s left',
  ]


def test_progress_asks_for_losses_only_when_due():
  now = [0.0]
  line = progress.ProgressLine(
    100, 8, seconds=5, stream=io.StringIO(), clock=lambda: now[0]
  )
  assert line.due(1)
  line.update(1, {})
  now[0] = 4.9
  assert not line.due(2)
  now[0] = 5.0
  assert line.due(2)
  assert not line.due(1)
  now[0] = 0.1
  assert line.due(100)


def test_progress_on_a_terminal_rewrites_one_line():
  stream = Terminal()
  run_progress(stream, [0, 10, 20], num_steps=3)
  first, *rewritten = stream.getvalue().split('\r')
  assert first == ''
  assert stream.getvalue().count('\n') == 1
  assert stream.getvalue().endswith('\n')
  assert [len(text.rstrip('\n')) for text in rewritten] == sorted(
    len(text.rstrip('\n')) for text in rewritten
  )
  assert rewritten[1].startswith('step 2/3  loss 5  0.8 dives/s  10s left')


def test_progress_makes_room_for_other_output():
  stream = Terminal()
  line = run_progress(stream, [0, 10], num_steps=30)
  line.break_line()
  line.break_line()
  assert stream.getvalue().count('\n') == 1


def test_progress_survives_a_clock_that_stands():
  stream = io.StringIO()
  run_progress(stream, [5, 5], num_steps=2)
  assert stream.getvalue().splitlines()[-1] == 'step 2/2  loss 5  0s left'


@pytest.mark.parametrize('numbers', [(0, 8), (10, 0)])
def test_progress_refuses_nothing_to_count(numbers):
  with pytest.raises(ValueError, match='positive'):
    progress.ProgressLine(*numbers)
