"""What checks the commands of the documents that a laptop can't run.

`INSTEAD` says of each why it is not run, and what checks it instead; `plan`
gives what is run. See commands_drill.py and documents_test.py.
"""

import dataclasses
import re

from document_text import Command


@dataclasses.dataclass(frozen=True)
class Instead:
  """What checks a command that is not run as it stands.

  Attributes:
    pattern: of the whole command, a regular expression.
    why: it is not run.
    checks: commands of the shell; `re.Match.expand` fills in parts.
  """

  pattern: str
  why: str
  checks: tuple[str, ...]


def instead(command: Command) -> Instead | None:
  """Returns the entry of the table for a command; None if it is run."""
  for entry in INSTEAD:
    if not command.is_python and re.fullmatch(entry.pattern, command.text):
      return entry
  return None


def plan(command: Command) -> list[str]:
  """Returns what is run for a command: itself, or what checks it."""
  if command.is_python:
    step = f"python - <<'END'\n{command.text}END"
    # A program that asks the server.
    is_client = '127.0.0.1:8000' in command.text
    return [_SERVE + step + _SERVED if is_client else step]
  entry = instead(command)
  if not entry:
    return [command.text]
  match = re.fullmatch(entry.pattern, command.text)
  return [match.expand(check) for check in entry.checks]


_NET = 'downloads from the net; checked: what is here is what it asks for'
_ACCELERATOR = 'is for an accelerator; checked: the project has this extra'
_LONG = 'takes an hour or more on a laptop; checked: the same, smaller'
_VIDEOS = 'needs the videos of MTL-AQA, of which it trains on six made-up ones'
_CLOUD = "needs an account of Google's cloud; checked: its syntax"
_SLICE = 'needs a Cloud TPU; checked: --dry_run'
_CLUSTER = 'needs a cluster; checked: --dry_run'
_NAMED = 'is the name of a command whose flags are elsewhere; checked: --help'

_SYNTAX = "bash -n <<'END'\n\\g<0>\nEND"
_MAIN = r'python -m aqa_jax\.main '
# The full-size C3D-AVG, as narrow as it gets, on six dives of 4 and 2.
SMALL = (
  ' --config.duration=2steps --config.checkpoint_every=2steps'
  ' --config.batch_size=2 --config.eval_batch_size=2 --config.model.width=2'
  ' --config.model.fc6=8 --config.model.caption_hidden=8'
  ' --config.model.caption_embedding=8 --config.model.caption_length=8'
)
HALF = ' --config.validation.fraction=0.5'
_MADE_UP = ' --config.dataset.name=mtl_aqa/clips_171x128'
# For simulated_dives/tiny.
TINY = (
  ' --config.dataset.name=simulated_dives/tiny --config.validation.fraction=0.5'
  ' --config.duration=4steps --config.checkpoint_every=2steps'
  ' --config.input.frames=18 --config.input.window_frames=20'
  ' --config.input.crop=16 --config.model.clips=3 --config.model.width=2'
)
_PRETRAIN = (
  'python -m aqa_jax.main --config=configs/pretrain_ucf101.py'
  ' --workdir=workdir/ucf101 --config.dataset.name=UCF-101'
  ' --config.duration=2steps --config.checkpoint_every=2steps'
  ' --config.batch_size=2 --config.eval_batch_size=2 --config.model.width=2'
  ' --config.model.fc6=8' + HALF
)
_BRIEF = ' --rounds=1 --one_start --seconds=0.1 --dives=8 --input_dives=4'

# Runs what stands between the two, while there is a server.
_SERVE = (
  'python -m aqa_jax.serve --port=8000 & server=$!;'
  ' curl -sf --retry 90 --retry-delay 1 --retry-connrefused'
  ' http://127.0.0.1:8000/api/model && {\n'
)
_SERVED = '\n}; code=$?; kill $server; wait $server; test $code = 0'

INSTEAD = (
  Instead(
    r'python tests/commands_drill\.py',
    'is what runs all others; checked: that it lists them',
    (r'\g<0> --list',),
  ),
  Instead(
    r'python -m aqa_jax\.ensemble .*',
    'needs several trainings; checked: two small ones together',
    ('python -m pytest --quiet tests/ensemble_test.py',),
  ),
  Instead(
    'make test',
    'takes long, and is run for every change; checked: ruff, and that every '
    'test can be imported',
    (
      'make --dry-run test',
      'make lint',
      'python -m pytest --collect-only --quiet',
    ),
  ),
  Instead(
    'python -m pytest -m drill.*',
    'takes half an hour or more; checked: that there are such tests',
    (r'\g<0> --collect-only --quiet',),
  ),
  Instead(
    r"pip install -e (\.|'\.\[(tf|captions|bench|i3d|onednn|onnx|serve)\]')",
    _NET,
    (
      'python -m pip install --dry-run --quiet --no-index'
      r' --no-build-isolation -e \1',
    ),
  ),
  Instead(
    r"(?:\.venv/bin/)?pip install -e '\.\[(cuda|tpu)\]'",
    _ACCELERATOR,
    (r"grep '^\1 = \[' pyproject.toml",),
  ),
  Instead(
    r"pip install 'jax\[cuda13\].*'",
    'tells what a measurement on a GPU ran with; checked: its syntax',
    (_SYNTAX,),
  ),
  Instead(
    r'python -m tfds_mtl_aqa\.prepare (mtl_aqa/\S+) --manual_dir=/path/to'
    '/videos(.*)',
    _VIDEOS,
    (r'python tests/fake_mtl_aqa.py videos \1\2',),
  ),
  Instead(
    r'python -m tfds_mtl_aqa\.prepare \w+/annotations '
    '--manual_dir=/path/to/files .*',
    'needs files of their authors; checked: that it asks for them',
    (r'\g<0>; test $? = 2',),
  ),
  Instead(
    _MAIN + r'--config=configs/(ed_tcn|s3d_stages)\.py .*workdir/ed_tcn.*',
    _LONG,
    (r'\g<0> --config.dataset.train_split=resampled_100',),
  ),
  Instead(
    r'python -m aqa_jax\.stages tcn_output\.npy .*',
    "needs a file of S3D's authors; checked: that it asks for it",
    (r'\g<0>; test $? = 2',),
  ),
  Instead(
    r'python -m (tfds_mtl_aqa\.prepare|aqa_jax\.main) .*mtl_aqa_footage/steps '
    '.*',
    'needs the videos of MTL-AQA; checked: that it asks for them. On made-up '
    'ones: mtl_aqa_footage_test.py',
    (r'\g<0> ; test $? = 2',),
  ),
  Instead(
    r'python -m aqa_jax\.bundle --workdir=workdir/find_real_dives .*',
    'needs that training; checked: that it asks for it',
    (r'\g<0>; test $? = 2',),
  ),
  Instead(
    r'python -m tfds_mtl_aqa\.prepare simulated_dives/(longer|clips_171x128) '
    '(.*)',
    'renders for ten minutes or more; checked: the same with simulated_dives/'
    'tiny',
    (r'python -m tfds_mtl_aqa.prepare simulated_dives/tiny \2',),
  ),
  Instead(
    _MAIN + r'--mode=compile .*--topology=v5e:2x4.*',
    "needs libtpu, and takes ten minutes or more; checked: the CPU's devices",
    (
      r'\g<0> --topology=cpu:8 --config.batch_size=8'
      ' --config.model.width=2 --config.model.fc6=8'
      ' --config.model.caption_hidden=8',
    ),
  ),
  Instead(
    _MAIN + r'--mode=benchmark .*',
    _LONG,
    (
      r'\g<0> --config.batch_size=1 --config.model.width=2'
      ' --config.model.fc6=8 --config.model.caption_hidden=8',
    ),
  ),
  Instead(
    r'python -m (aqa_jax\.main|tfds_mtl_aqa\.prepare)',
    'is the name of the program; checked: it tells its flags (with exit code 1,'
    " as absl's programs do)",
    (r'\g<0> --help; test $? = 1',),
  ),
  Instead(
    _MAIN + '--config=quickstart',
    'is in make quickstart; checked: that it compiles',
    (r'\g<0> --mode=compile --topology=cpu:1 --config.model.width=2',),
  ),
  Instead(
    _MAIN + r'--config=configs/longer(_commentary)?\.py .*',
    _LONG,
    (r'\g<0>' + TINY,),
  ),
  Instead(
    _MAIN + r'--config=configs/(i3d|best)\.py .*',
    'needs the videos of MTL-AQA and a GPU; checked: that it compiles, smaller',
    (
      r'\g<0> --mode=compile --topology=cpu:1 --config.model.width=8'
      ' --config.model.windows=2 --config.input.crop=32'
      ' --config.model.caption_hidden=8 --config.batch_size=2',
    ),
  ),
  Instead(
    _MAIN + r'--config=configs/(best_small|quickstart_i3d)\.py .*',
    'takes minutes; checked: a few steps of it',
    (r'\g<0> --config.duration=4steps --config.checkpoint_every=4steps',),
  ),
  Instead(
    _MAIN + r'.* --config\.validation\.fraction=0 .*',
    _VIDEOS,
    (r'\g<0>' + SMALL,),
  ),
  Instead(
    _MAIN + r'--config=configs/pretrain_ucf101\.py .*',
    'needs UCF-101; checked: the same on eight made-up videos',
    (_PRETRAIN,),
  ),
  Instead(
    _MAIN + r'.* --config\.init_from=workdir/ucf101 .*',
    'needs UCF-101 and the videos of MTL-AQA; checked: on made-up ones',
    (_PRETRAIN, r'\g<0>' + SMALL + HALF),
  ),
  Instead(
    _MAIN + r'.* --config\.init_from=(c3d\.pickle|folder_of_\w+) .*',
    'needs official weights; checked: with files that were exported',
    (
      r'\g<0> --config.init_from=official --config.dataset.vocabulary_size=6'
      + SMALL
      + HALF,
    ),
  ),
  Instead(
    _MAIN + r'(--config=c3davg|.*simulated_dives/clips_171x128) .*',
    _VIDEOS,
    (r'\g<0>' + SMALL + _MADE_UP + HALF,),
  ),
  Instead(
    r'python launch/run_local_processes\.py .*',
    _VIDEOS,
    (r'\g<0>' + SMALL + HALF,),
  ),
  Instead(
    r'(python -m aqa_jax\.weights show) model_CNN_94\.pth',
    'needs official weights; checked: with a file that was exported',
    (r'\1 official/model_CNN_*.pth',),
  ),
  Instead(
    r'(for .*)?(python -m aqa_jax\.paper) (.*)',
    _LONG + ' (--dry_run, which prints the trainings)',
    (r'\1\2 --dry_run \3',),
  ),
  Instead(
    r'(python tests/kill_drill\.py) --kills=15 (.*)',
    'takes seven minutes or more; checked: two kills',
    (r'\1 --kills=2 --steps=20 \2',),
  ),
  Instead(
    r'(python -m benchmarks\.compare) --size=(?:full|toy)(.*)',
    _LONG,
    (r'\1 --size=toy\2' + _BRIEF,),
  ),
  Instead(
    r'(python -m benchmarks\.breakdown)(?: --(?:device=gpu --)?size=full.*)?',
    _LONG,
    (r'\1 --size=toy --steps=1',),
  ),
  Instead(
    r'(python -m benchmarks\.convolutions) --form=(\w+) .*',
    'takes a minute; checked: the small layers',
    (r'\1 --form=\2 --size=toy',),
  ),
  Instead(
    r'benchmarks/gpu\.sh',
    'needs an NVIDIA GPU; checked: its syntax and its help',
    (r'bash -n \g<0>', r'\g<0> --help'),
  ),
  Instead(
    r'benchmarks/gpu\.sh --small',
    'takes half an hour or more; checked: its first minute, after which it '
    'writes what there is and ends with 1',
    (
      r'\g<0> --minutes=1;'
      ' test $? = 1 -a -f workdir/benchmarks/gpu_small/results.json',
    ),
  ),
  Instead(
    r'(python -m aqa_jax\.serve.*)',
    'goes on until Ctrl-C; checked: that it ends as it should',
    (
      r'timeout --preserve-status --signal=TERM 90 \1 --port=0 > served.txt'
      ' && grep http://127.0.0.1 served.txt',
    ),
  ),
  Instead(
    r'(curl .*127\.0\.0\.1:8000.*)',
    'needs the server; checked: with one',
    (_SERVE + r'\1 | grep dives' + _SERVED,),
  ),
  Instead(r'gcloud .*', _CLOUD, (_SYNTAX,)),
  Instead(r'launch/\w+\.sh( logs)?', _NAMED, (r'\g<0> --help',)),
  Instead(r'(launch/tpu_vm\.sh \w+)( .*)', _SLICE, (r'\1 --dry_run\2',)),
  Instead(
    r'(launch/(?:slurm\.sh|kubernetes\.sh \w+))( .*)',
    _CLUSTER,
    (r'\1 --dry_run\2',),
  ),
  Instead(
    r'docker .*',
    'needs Docker and a registry; checked: its syntax, and the file',
    (_SYNTAX, 'test -f launch/Dockerfile'),
  ),
  Instead(
    r'(env -i .*) python -m \.\.\.',
    'stands for any command; checked: with one',
    (r'\1 python -m aqa_jax.weights --help',),
  ),
)
