"""What earlier commands of the documents have made for later ones."""

import dataclasses
import re

from documented_commands import HALF, SMALL, TINY


@dataclasses.dataclass(frozen=True)
class Given:
  """What earlier commands have made where a reader comes to another one.

  Attributes:
    pattern: somewhere in the command that needs it.
    paths: of what is made.
    made_by: commands of the shell.
    needs: names of others of `GIVEN` that those need.
  """

  pattern: str
  paths: tuple[str, ...]
  made_by: tuple[str, ...]
  needs: tuple[str, ...] = ()


GIVEN = {
  'quickstart': Given(
    r'data_source\(.simulated_dives/quickstart|for table in'
    r'|--workdir=workdir/quickstart',
    ('data', 'workdir'),
    ('make quickstart',),
  ),
  'clip': Given(
    r'clip\.mp4|aqa_jax\.(serve|export .*) --model',
    ('clip.mp4', 'model'),
    (
      """PYTHONPATH=tests python - <<'END'
import pathlib
import video_test
video_test.write_video(pathlib.Path('clip.mp4'), range(0, 240, 2))
END""",
      'python -m aqa_jax.bundle --workdir=workdir/quickstart --out=model',
    ),
    needs=('quickstart',),
  ),
  'exports': Given(
    r"'dives\.(onnx|stablehlo)'",
    (
      'dives.onnx',
      'dives.onnx.json',
      'dives.stablehlo',
      'dives.stablehlo.json',
    ),
    (
      'python -m aqa_jax.export --format=onnx --out=dives.onnx',
      'python -m aqa_jax.export --format=stablehlo --out=dives.stablehlo',
    ),
  ),
  'videos': Given(
    r'fake_mtl_aqa\.py|03\.mp4',
    ('videos', '03.mp4'),
    (
      """PYTHONPATH=tests python - <<'END'
import pathlib
import fake_mtl_aqa
fake_mtl_aqa.write_release(pathlib.Path('videos'))
fake_mtl_aqa.write_event_videos(pathlib.Path('videos'))
END""",
      'cp videos/03.mp4 .',
    ),
  ),
  'dives': Given(
    r'(?<!prepare )(?<!tiny )--(config\.dataset\.data_dir|upload)=data'
    r'|kubernetes\.sh data',
    ('data',),
    (
      'python tests/fake_mtl_aqa.py videos mtl_aqa/clips_171x128'
      ' --data_dir=data',
      'python -m tfds_mtl_aqa.prepare simulated_dives/tiny --data_dir=data',
    ),
    needs=('videos',),
  ),
  'trainings': Given(
    r'weights export|predictions_test\.csv',
    ('workdir',),
    (
      'python -m aqa_jax.main --config=c3davg --workdir=workdir/c3davg'
      ' --config.dataset.data_dir=data' + SMALL + HALF,
      'python -m aqa_jax.main --config=longer --workdir=workdir/longer'
      ' --config.dataset.data_dir=data' + TINY,
    ),
    needs=('dives',),
  ),
  'weights': Given(
    r'\bofficial(/| --config\.dataset)',
    ('official',),
    (
      'python -m aqa_jax.weights export --workdir=workdir/c3davg --to=official',
    ),
    needs=('trainings',),
  ),
  'actions': Given(
    r'UCF-101',
    ('UCF-101',),
    (
      """PYTHONPATH=tests python - <<'END'
import pathlib
import fake_mtl_aqa
for name in ('Archery', 'Diving'):
  for group in range(1, 5):
    path = pathlib.Path(f'UCF-101/{name}/v_{name}_g{group:02d}_c01.avi')
    fake_mtl_aqa.write_video(path, list(range(20)))
END""",
    ),
  ),
}


def given(text: str) -> list[str]:
  """Returns the names of `GIVEN` that a command of the shell needs."""
  return [name for name, each in GIVEN.items() if re.search(each.pattern, text)]
