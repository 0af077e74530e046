"""A trace of some steps, for Perfetto and TensorBoard's profile plugin."""

import pathlib

import jax

# The first steps are not traced: they compile, and fill the input's buffer.
_STEPS_BEFORE = 3


class Trace:
  """Traces some steps of a training, into the folder profile/.

  A folder within it, named by the time, has perfetto_trace.json.gz, which
  ui.perfetto.dev opens, and *.xplane.pb for TensorBoard.
  """

  def __init__(self, workdir: pathlib.Path, first_step: int, num_steps: int):
    """Traces nothing yet.

    Args:
      workdir: folder of the run.
      first_step: steps that are done already.
      num_steps: how many to trace; 0 for none. Of several processes only the
        first traces.
    """
    self._folder = workdir / 'profile'
    self._first = self._last = None
    self._is_on = False
    if num_steps and not jax.process_index():
      self._first = first_step + _STEPS_BEFORE + 1
      self._last = self._first + num_steps - 1

  def before(self, step: int) -> None:
    """Begins the trace, if this step is the first of it."""
    if step == self._first:
      options = jax.profiler.ProfileOptions()
      # No Python calls: compiling a validation has millions, and after the
      # first million XLA drops all events, those of the steps too.
      options.python_tracer_level = 0
      jax.profiler.start_trace(
        self._folder, create_perfetto_trace=True, profiler_options=options
      )
      self._is_on = True

  def ends_with(self, step: int) -> bool:
    """Returns whether this step is the last of the trace."""
    return step == self._last

  def after(self, step: int) -> None:
    """Ends the trace if this step was its last; the step has to be done."""
    if self._is_on and self.ends_with(step):
      self.close()

  def close(self) -> None:
    """Ends the trace, if it is on, and prints where it is."""
    if self._is_on:
      jax.profiler.stop_trace()
      self._is_on, self._first = False, None
      print(f'The trace is in {self._folder}; ui.perfetto.dev opens it.')
    elif self._first is not None:
      print(f'Nothing was traced: training ended before step {self._first}.')
      self._first = None
