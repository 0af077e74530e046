"""The videos of a server, and who judges them: without a model."""

import time

import pytest

from aqa_jax.serving import dispatcher as dispatcher_module
from aqa_jax.serving import messages
from aqa_jax.serving.dispatcher import Dispatcher
from aqa_jax.serving.job import JUDGEMENT, PlayableVideo, State
from aqa_jax.serving.jobs import Jobs
from aqa_jax.serving.limits import Limits
from aqa_jax.serving.problem import Problem
from aqa_jax.serving.shown_name import shown_name
from aqa_jax.serving.worker_process import WorkerEndedError
from tfds_mtl_aqa.input_error import InputError


def _job(jobs, content=b'video'):
  job = jobs.reserve('a.mp4', {}, True)
  job.upload.write_bytes(content)
  return job


def _ended(jobs, content=b'video'):
  """Returns a job whose upload is its player's file."""
  job = _job(jobs, content)
  job.answer(1)
  job.video = PlayableVideo('upload', 'video/mp4', 0.0)
  job.end()
  return job


def test_they_wait_in_order(tmp_path):
  jobs = Jobs(tmp_path, Limits())
  waiting = [_job(jobs) for _ in range(3)]
  for job in waiting:
    # Nobody can ask for what is still being uploaded.
    with pytest.raises(Problem, match='no such video'):
      jobs.get(job.id)
    jobs.enqueue(job)
  assert [jobs.position(job) for job in waiting] == [0, 1, 2]
  assert jobs.next(0) is waiting[0]
  assert waiting[0].state is State.JUDGING
  assert [jobs.position(job) for job in waiting[1:]] == [1, 2]
  jobs.remove(waiting[1])
  assert not waiting[1].folder.exists()
  assert jobs.position(waiting[2]) == 1
  assert jobs.next(0) is waiting[2] and jobs.next(0) is None


def test_the_queue_is_bounded(tmp_path):
  jobs = Jobs(tmp_path, Limits(max_queue=2))
  first, second = _job(jobs), _job(jobs)
  with pytest.raises(Problem, match='waiting already') as raised:
    _job(jobs)
  assert raised.value.status == 429
  # What is uploaded, waits or is judged counts; what is over does not.
  jobs.enqueue(first)
  first.end(Problem(422, 'not_judged', 'No.'))
  third = _job(jobs)
  assert len({first.id, second.id, third.id}) == 3
  assert all(len(job.id) >= 24 for job in (first, second, third))
  jobs.close()
  second.end()
  with pytest.raises(Problem, match='shutting down'):
    _job(jobs)


def test_answers_are_kept_for_a_while(tmp_path):
  jobs = Jobs(tmp_path, Limits(max_results=2, max_age=100.0))
  answers = [_ended(jobs) for _ in range(3)]
  for age, job in enumerate(reversed(answers)):
    job.ended = time.monotonic() - 10 * age
  jobs.expire()
  assert [job.folder.exists() for job in answers] == [False, True, True]
  answers[1].ended = time.monotonic() - 101
  jobs.expire()
  assert [job.folder.exists() for job in answers] == [False, False, True]
  assert jobs.get(answers[2].id) is answers[2]


def test_answers_take_so_much_room(tmp_path):
  jobs = Jobs(tmp_path, Limits(max_kept_bytes=2500))
  answers = [_ended(jobs, bytes(1000)) for _ in range(4)]
  for age, job in enumerate(reversed(answers)):
    job.ended = time.monotonic() - age
  jobs.expire()
  assert [job.folder.exists() for job in answers] == [False, False, True, True]
  large = _ended(jobs, bytes(9000))
  jobs.expire()
  assert [job.folder for job in (*answers, large) if job.folder.exists()] == [
    large.folder
  ]


class _Worker:
  """Stands for the process that judges; does what a script says."""

  def __init__(self, script=(), start=None):
    self.script = list(script)
    self.sent = []
    self.kills = self.starts = 0
    self.bytes = 1000
    self._start = start
    self._alive = True

  def start(self):
    self.starts += 1
    if self._start:
      raise self._start
    self._alive = True

  def memory(self):
    return self.bytes

  def is_alive(self):
    return self._alive

  def send(self, message):
    self.sent.append(message)

  def receive(self, timeout):
    if not self._alive:
      raise WorkerEndedError('signal SIGKILL')
    if not self.script:
      time.sleep(0.01)
      return None
    step = self.script.pop(0)
    if isinstance(step, Exception):
      self._alive = False
      raise step
    return step(self) if callable(step) else step

  def kill(self):
    self.kills += 1
    self._alive = False

  close = kill


@pytest.fixture(name='judged')
def fixture_judged(tmp_path, monkeypatch):
  """What gives a job to a `_Worker`, and returns it when it is over."""
  monkeypatch.setattr(dispatcher_module, '_CANCEL_S', 0.1)
  monkeypatch.setattr(dispatcher_module, '_IDLE_S', 0.01)
  running = []

  def judged(worker, before=lambda jobs, job: None, **limits):
    limits = Limits(**limits)
    jobs = Jobs(tmp_path, limits)
    dispatcher = Dispatcher(jobs, worker, limits)
    running.append(dispatcher)
    job = _job(jobs)
    jobs.enqueue(job)
    dispatcher.start()
    before(jobs, job)
    deadline = time.monotonic() + 9
    while job.ended is None:
      assert time.monotonic() < deadline
      time.sleep(0.01)
    # When the next one has its turn, the files of this one are in order.
    following = _job(jobs)
    jobs.enqueue(following)
    while following.state is State.QUEUED:
      assert time.monotonic() < deadline
      time.sleep(0.01)
    return job

  yield judged
  for dispatcher in running:
    dispatcher.close()


def test_an_answer(judged):
  def write(worker):
    (task,) = worker.sent
    with open(f'{task.folder}/{JUDGEMENT}', 'w') as file:
      file.write('[]')
    open(f'{task.folder}/copy.mp4', 'w').close()
    return messages.Answered(3)

  video = PlayableVideo('copy.mp4', 'video/mp4', 0.0)
  script = [messages.Progress(1.5, 4.0), write, messages.Finished(video)]
  job = judged(_Worker(script))
  assert (job.state, job.num_dives, job.video) == (State.DONE, 3, video)
  assert (job.seconds_read, job.seconds_total) == (1.5, 4.0)
  # The upload is gone.
  names = {file.name for file in job.folder.iterdir()}
  assert names == {JUDGEMENT, 'copy.mp4'}


def test_a_video_that_can_not_be_judged(judged):
  job = judged(_Worker([messages.Failed(422, 'not_judged', 'a.mp4: no.')]))
  assert job.state is State.FAILED and str(job.problem) == 'a.mp4: no.'
  assert not job.folder.exists()


def test_a_video_that_never_ends(judged):
  worker = _Worker()
  job = judged(worker, max_seconds=0.1)
  assert (job.problem.status, job.problem.code) == (504, 'took_too_long')
  # Another process judges the next.
  assert worker.kills >= 1 and worker.starts >= 1
  assert not job.folder.exists()


def test_a_video_that_takes_too_much_memory(judged):
  worker = _Worker([messages.Progress(0.1, None)])
  job = judged(worker, max_memory=999)
  assert (job.problem.status, job.problem.code) == (422, 'too_much_memory')
  assert worker.kills >= 1 and not job.folder.exists()


def test_a_copy_that_never_ends(judged):
  """The answer holds, without a player."""
  job = judged(_Worker([messages.Answered(1)]), max_seconds=0.1)
  assert (job.state, job.problem, job.video) == (State.DONE, None, None)
  assert not job.upload.exists()


def test_a_video_that_crashes_the_decoder(judged):
  worker = _Worker([WorkerEndedError('signal SIGSEGV')])
  job = judged(worker)
  assert (job.problem.status, job.problem.code) == (422, 'crashed')
  assert 'SIGSEGV' in str(job.problem) and worker.starts == 1


def test_a_video_that_is_removed_meanwhile(judged):
  worker = _Worker()

  def remove(jobs, job):
    while not worker.sent:
      time.sleep(0.01)
    jobs.remove(job)
    assert job.folder.exists()  # Somebody reads it.

  job = judged(worker, before=remove)
  assert isinstance(worker.sent[1], messages.Cancel)
  # It did not listen.
  assert worker.kills >= 1
  assert not job.folder.exists()


def test_a_model_that_is_gone(judged, capsys):
  worker = _Worker([WorkerEndedError('exit code 1')], InputError('no model'))
  job = judged(worker)
  assert job.problem.code == 'crashed'
  assert 'no model' in capsys.readouterr().err


@pytest.mark.parametrize(
  'text, shown',
  [
    ('clip.mp4', 'clip.mp4'),
    ('../../etc/passwd', 'passwd'),
    ('C:\\videos\\clip.mp4', 'clip.mp4'),
    ('a\0b\n\x1b[31m.mp4', 'a b [31m.mp4'),
    # What turns the direction of the text.
    ('gpj\u202e4pm.exe', 'gpj 4pm.exe'),
    ('<script>"\'&.mp4', '<script>"\'&.mp4'),
    ('e\u0301.mp4', 'é.mp4'),
    ('🤿.mp4', '🤿.mp4'),
    ('', 'video'),
    ('..', 'video'),
    ('\ud800', 'video'),
  ],
)
def test_a_name_that_is_shown(text, shown):
  assert shown_name(text) == shown


@pytest.mark.parametrize(
  'text', ['a' * 300 + '.mp4', 'a' * 300, '.' + 'a' * 300]
)
def test_a_name_that_is_long(text):
  shown = shown_name(text)
  assert len(shown) <= 100 and '…' in shown
  assert shown.endswith('.mp4') == text.endswith('.mp4')
