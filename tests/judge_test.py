"""A model as a folder, as a library and as a command."""

import concurrent.futures
import contextlib
import csv
import json
import os
import pathlib
import shutil

import av
import jax
import numpy as np
import pytest
import safetensors.numpy
import yaml
from html_page import Page, check_self_contained
from video_test import write_video

import aqa_jax
from aqa_jax import bundle, train
from aqa_jax import judge as judge_command
from aqa_jax.data.dive_split import open_builder
from aqa_jax.evaluation.conformal import ScoreIntervals, read_intervals
from aqa_jax.judging import judgement_page, model_folder
from aqa_jax.judging.clip import Clip
from aqa_jax.judging.judge import Judge
from aqa_jax.judging.model_source import find_model
from tfds_mtl_aqa.input_error import InputError


@pytest.fixture(name='trained', scope='module')
def fixture_trained(tmp_path_factory, tiny_overrides):
  """The workdir of a training that has one checkpoint, of its first state."""
  from aqa_jax.configs import quickstart

  config = quickstart.get_config()
  config.update_from_flattened_dict(tiny_overrides)
  config.mesh.data = 1
  workdir = tmp_path_factory.mktemp('trained')
  training = train.set_up(config, workdir)
  with contextlib.closing(training.checkpoints):
    training.state = training.setup.create_state()
    training.checkpoints.save_best(training.state, 0.5)
    train.evaluate_best(training)
    predictions = training.predictions(training.tests['test'])
  return workdir, predictions


@pytest.fixture(name='folder', scope='module')
def fixture_folder(trained, tmp_path_factory):
  """The model folder that was made of it."""
  folder = tmp_path_factory.mktemp('models') / 'model'
  bundle.main([f'--workdir={trained[0]}', f'--out={folder}'])
  return folder


@pytest.fixture(name='judge', scope='module')
def fixture_judge(folder):
  return aqa_jax.load(folder)


def _clips(judge, tiny_dives, count=8):
  """Returns dives of the test split as clips."""
  builder = open_builder('simulated_dives/tiny', str(tiny_dives))
  split = train.dive_selection.select(builder, 'test')
  margin = (24 - judge.model.video_input.window_frames) // 2
  return [
    Clip(
      name=f'dive {index}',
      frames=list(split[index]['video'])[-margin - 12 : -margin],
      numbers=np.arange(1, 13),
      seconds=np.arange(12) / 5,
      padded=0,
      warnings=(),
    )
    for index in range(count)
  ]


def _video(seed=0, frames=30):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, (frames, 24, 32, 3), np.uint8)


def test_a_dive_is_judged_as_it_was_evaluated(trained, judge, tiny_dives):
  _, predictions = trained
  clips = _clips(judge, tiny_dives)
  for judged in (
    [judge.judge(clip) for clip in clips],
    list(judge.judge_each(iter(clips))),
  ):
    for index, judgement in enumerate(judged):
      outputs = predictions.outputs
      assert judgement.score == pytest.approx(outputs['score'][index], rel=1e-5)
      assert judgement.caption == ' '.join(outputs['captions'][index])
      row = {
        name: probabilities[index]
        for name, probabilities in outputs['class_probabilities'].items()
      }
      for name, probabilities in row.items():
        ours = judgement.class_probabilities[name]
        np.testing.assert_allclose(
          list(ours.values()), probabilities, rtol=1e-4
        )
        assert judgement.classes[name] == max(ours, key=ours.get)


def test_importance_is_of_the_frames_that_are_seen(judge):
  judgement = judge(_video())
  assert judgement.importance.shape == judgement.frame_numbers.shape == (12,)
  assert judgement.frame_numbers.tolist() == list(range(19, 31))
  np.testing.assert_allclose(
    judgement.frame_seconds, (judgement.frame_numbers - 1) / 5
  )
  # A frame that the network does not see changes nothing.
  video = _video()
  video[:15] = 0
  assert judge(video).score == judgement.score
  video[25] = 0
  assert judge(video).score != judgement.score


def test_the_interval_is_that_of_the_validation_dives(trained, judge, folder):
  workdir, _ = trained
  training = train.set_up(find_model(workdir).config, workdir)
  with contextlib.closing(training.checkpoints):
    training.state = training.checkpoints.restore_best(training.state)
    predictions = training.predictions(training.validation)
  errors = np.abs(
    predictions.outputs['score'] - predictions.label('final_score')
  )
  stored = json.loads((folder / 'model.json').read_text())['absolute_errors']
  np.testing.assert_allclose(stored, np.sort(errors), atol=1e-3)
  # Four dives promise no 90 %.
  judgement = judge(_video())
  assert judgement.score_interval is None
  intervals = ScoreIntervals(tuple(range(1, 20)))
  other = Judge(judge.model.replace(intervals=intervals))
  low, high = other(_video()).score_interval
  assert (low, high) == (judgement.score - 18, judgement.score + 18)


def test_a_score_that_no_such_dive_gets(judge):
  """A forward dive in pike, of difficulty 1.6, gets 48 points at most."""
  row = {
    'score': np.float32(60),
    'classes': {
      'position': 1, 'armstand': 0, 'rotation_type': 1, 'somersaults': 3,
      'twists': 0,
    },
  }  # fmt: skip
  clip = Clip('a.mp4', [], np.arange(12), np.arange(12) / 5, 0, ())
  judgement = judge._judgement(clip, row, None)
  assert judgement.dive_number == '103B'
  assert judgement.difficulties == {'10m': 1.6}
  assert judgement.executions['10m'] == 37.5
  assert '48.0 points at most' in judgement.warnings[0]
  row['score'] = np.float32(-2)
  assert judge._judgement(clip, row, None).score == 0
  row['score'] = np.float32(48)
  assert not judge._judgement(clip, row, None).warnings


def test_a_list_is_judged_as_its_videos_are(judge):
  videos = [_video(seed) for seed in range(11)]
  together = judge(videos)
  assert len(together) == 11
  for video, judgement in zip(videos, together, strict=True):
    assert judgement.score == pytest.approx(judge(video).score, rel=1e-5)
  assert judge([]) == []


def test_several_threads(judge):
  videos = [_video(seed) for seed in range(6)]
  alone = [judge(video).score for video in videos]
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert [j.score for j in pool.map(judge, videos)] == alone


def test_it_says_that_it_has_seen_simulated_dives_only(judge):
  judgement = judge(_video())
  assert str(judgement).startswith('This model has seen simulated dives only')
  assert next(iter(judgement.to_dict())) == 'note'
  # JSON has no infinity, and no array.
  assert json.loads(json.dumps(judgement.to_dict(), allow_nan=False))


def test_a_folder_holds_what_it_says(trained, folder):
  workdir, _ = trained
  assert sorted(file.name for file in folder.iterdir()) == [
    'README.md', 'evaluation.json', 'model.json', 'model.safetensors',
  ]  # fmt: skip
  model, original = find_model(folder), find_model(workdir)
  for found, expected in zip(
    jax.tree.leaves(model.variables),
    jax.tree.leaves(dict(original.variables)),
    strict=True,
  ):
    np.testing.assert_array_equal(found, expected)
  for name in ('schema', 'frame_format', 'dataset', 'step', 'video_input'):
    assert getattr(model, name) == getattr(original, name)
  _, front, _ = (folder / 'README.md').read_text().split('---\n', 2)
  card = yaml.safe_load(front)
  assert card['license'] == 'apache-2.0' and card['model-index']
  # Nothing of the machine that it was trained on.
  assert str(workdir) not in (folder / 'model.json').read_text()


def test_float16_takes_half_the_room(trained, folder, judge, tmp_path):
  bundle.main(
    [f'--workdir={trained[0]}', f'--out={tmp_path}', '--dtype=float16']
  )
  stored = safetensors.numpy.load_file(tmp_path / 'model.safetensors')
  assert {str(a.dtype) for a in stored.values()} == {'float16', 'int32'} or {
    str(a.dtype) for a in stored.values()
  } == {'float16'}
  sizes = [
    (path / 'model.safetensors').stat().st_size for path in (folder, tmp_path)
  ]
  assert sizes[1] < 0.7 * sizes[0]
  assert aqa_jax.load(tmp_path)(_video()).score == pytest.approx(
    judge(_video()).score, rel=1e-2
  )


def _damage_json(folder):
  (folder / 'model.json').write_text('{"format": 1}')


def _damage_weights(folder):
  path = folder / 'model.safetensors'
  path.write_bytes(path.read_bytes()[:-100])


def _change_shape(folder):
  path = folder / 'model.safetensors'
  weights = safetensors.numpy.load_file(path)
  name = next(name for name in weights if name.endswith('kernel'))
  weights[name] = weights[name][..., :1]
  safetensors.numpy.save_file(weights, path)


def _remove_weights(folder):
  (folder / 'model.safetensors').unlink()


def _of_another_version(folder):
  (folder / 'model.json').write_text('{"format": 99}')


@pytest.mark.parametrize(
  'damage',
  [
    _damage_json,
    _damage_weights,
    _change_shape,
    _remove_weights,
    _of_another_version,
  ],
)
def test_damaged_folders(folder, tmp_path, damage):
  model_folder.write_model(find_model(folder), tmp_path)
  damage(tmp_path)
  with pytest.raises(InputError, match=r'model\.(json|safetensors)'):
    find_model(tmp_path)


@pytest.mark.parametrize(
  'content, message',
  [
    ('{"step": 1, "absolute_errors": [1.0]}', 'not of the best'),
    ('[1.0]', 'is damaged'),
    ('{"step": 0}', 'is damaged'),
  ],
)
def test_errors_of_another_checkpoint(tmp_path, content, message):
  (tmp_path / 'calibration.json').write_text(content)
  with pytest.raises(InputError, match=message):
    read_intervals(tmp_path, 0)
  assert read_intervals(tmp_path / 'absent', 0) is None


def test_folders_without_a_model(tmp_path):
  with pytest.raises(InputError, match='holds no model'):
    find_model(tmp_path)


def test_official_files(tmp_path):
  """Heads alone are no network; the message names what is missing."""
  from aqa_jax.weights.torch_file import write_torch_file

  write_torch_file(
    tmp_path / 'model_score_regressor_94.pth',
    {
      'fc_final_score.weight': np.zeros((1, 4096), np.float32),
      'fc_final_score.bias': np.zeros(1, np.float32),
    },
  )
  with pytest.raises(InputError, match='lacks the weights of c3d'):
    find_model(tmp_path)


def _run(*arguments):
  return judge_command.main([*map(str, arguments)])


def test_the_command(folder, tmp_path, capsys):
  for name in ('a.mp4', 'b.mp4'):
    write_video(tmp_path / name, range(20, 220, 2), rate=5)
  (tmp_path / 'broken.mp4').write_text('no video')
  code = _run(
    tmp_path, f'--model={folder}', '--csv=-', f'--json={tmp_path}/out.json'
  )
  said = capsys.readouterr()
  # One can't be read; the others are judged.
  assert code == 1 and 'broken.mp4' in said.err
  rows = list(csv.DictReader(said.out.splitlines()))
  judged = json.loads((tmp_path / 'out.json').read_text())
  names = [str(tmp_path / name) for name in ('a.mp4', 'b.mp4')]
  assert [row['name'] for row in rows] == names
  assert [j['name'] for j in judged] == names
  for row, judgement in zip(rows, judged, strict=True):
    assert float(row['score']) == judgement['score']
    assert int(row['last_frame_number']) == 100
    assert row['classes/position'] == judgement['classes']['position']
  code = _run(tmp_path / 'a.mp4', f'--model={folder}', '--end=2.4s')
  said = capsys.readouterr()
  assert code == 0 and 'frames 2 to 13' in said.out


def test_the_page(folder, tmp_path):
  hostile = '<b>&amp;.mp4'
  for name in ('a.mp4', hostile):
    write_video(tmp_path / name, range(20, 220, 2), rate=5)
  path = tmp_path / 'out.html'
  assert _run(tmp_path, f'--model={folder}', f'--html={path}') == 0
  text = path.read_text('utf-8')
  page = Page(text)
  check_self_contained(page, text)
  titles = [title for _, title in page.all('h3')]
  assert titles[0].startswith(hostile) and titles[1].startswith('a.mp4')
  assert 'has seen simulated dives only' in page.all('p', role='alert')[0][1]
  # Twice eight pictures, and a bar for each frame that the network saw.
  assert len(page.all('img')) == 16
  assert len(page.all('rect')) == 2 * 12


def test_a_video_with_its_judgement(folder, tmp_path):
  write_video(tmp_path / 'a.mp4', range(20, 220, 2), rate=5)
  path = tmp_path / 'out.mp4'
  code = _run(
    tmp_path / 'a.mp4', f'--model={folder}', f'--annotated={path}', '--end=90'
  )
  assert code == 0
  with av.open(str(path)) as container:
    stream = container.streams.video[0]
    assert stream.codec_context.name == 'h264'
    assert stream.pix_fmt == 'yuv420p'
    frames = list(container.decode(stream))
  # The twelve that the network saw, at their times.
  assert len(frames) == 12
  times = [frame.time - frames[0].time for frame in frames]
  np.testing.assert_allclose(times, np.arange(12) / 5, atol=2e-3)
  images = [frame.to_ndarray(format='rgb24') for frame in frames]
  assert {image.shape for image in images} == {(360 + 132, 480, 3)}
  # The picture is that of the video: frame 79 is as grey as 20 + 2 * 78.
  assert images[0][:360].mean() == pytest.approx(176, abs=8)
  # More and more bars are bright.
  bright = [(image[440:].max(axis=2) > 120).sum() for image in images]
  assert bright[-1] > bright[0]


def test_videos_of_one_name_have_their_own(folder, tmp_path):
  for name in ('a', 'b'):
    (tmp_path / name).mkdir()
    write_video(tmp_path / name / 'x.mp4', range(20, 220, 2), rate=5)
  (tmp_path / 'out').mkdir()
  code = _run(
    tmp_path / 'a',
    tmp_path / 'b',
    f'--model={folder}',
    f'--annotated={tmp_path}/out',
  )
  assert code == 0
  names = sorted(path.name for path in (tmp_path / 'out').iterdir())
  assert names == ['x_judged.mp4', 'x_judged_2.mp4']


def test_what_is_judged_is_not_lost(folder, tmp_path, monkeypatch):
  """After Ctrl-C, before the ninth video."""
  write_video(tmp_path / 'a.mp4', range(20, 220, 2), rate=5)
  for number in range(9):
    shutil.copy(tmp_path / 'a.mp4', tmp_path / f'b{number}.mp4')
  read = Judge.read

  def interrupted(self, item, **options):
    if item.name == 'b7.mp4':
      raise KeyboardInterrupt
    return read(self, item, **options)

  monkeypatch.setattr(Judge, 'read', interrupted)
  with pytest.raises(KeyboardInterrupt):
    _run(tmp_path, f'--model={folder}', f'--json={tmp_path}/out.json')
  assert len(json.loads((tmp_path / 'out.json').read_text())) == 8


def test_a_score_on_its_scale():
  gauge = judgement_page._gauge(52.5, (42.0, 63.0))
  assert gauge['place'] == 50 and gauge['left'] == 40 and gauge['width'] == 20
  # What lies outside is shown at the end of the scale.
  assert judgement_page._gauge(-3.0, None)['place'] == 0
  assert judgement_page._gauge(120.0, None)['place'] == 100


@pytest.mark.parametrize(
  'arguments, message',
  [
    (['absent.mp4'], 'absent.mp4'),
    (['*.mov'], 'is not there'),
    (['.'], 'holds neither'),
    (['a.mp4', '--json=-', '--csv=-'], 'one of them'),
    (['a.mp4', '--json=no/such/out.json'], 'its folder is not there'),
    (['a.mp4', '--annotated=out.avi'], 'ends in .mp4'),
    (['a.mp4', '--annotated=a.mp4'], 'is the video'),
    (['a.mp4', '--model=.'], 'holds no model'),
  ],
)
def test_calls_that_are_wrong(tmp_path, monkeypatch, arguments, message):
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'a').mkdir()
  write_video(tmp_path / 'a/a.mp4', [1, 2, 3])
  folder = 'empty' if arguments == ['.'] else 'a'
  monkeypatch.chdir(tmp_path / folder)
  with pytest.raises(InputError, match=message):
    _run(*arguments)


@pytest.mark.parametrize(
  'flag, message',
  [
    ('--end=2.4', '--end'),
    ('--end=s', '--end'),
    ('--end=0', '--end'),
    ('--end=\N{ARABIC-INDIC DIGIT THREE}', '--end'),
    ('--speed=0', '--speed'),
    ('--speed=nan', '--speed'),
    ('--fps=0', '--fps'),
    ('--fps=x', '--fps'),
    ('--html=-', '--html'),
    ('--json=', '--json'),
    ('--no_such=1', '--no_such'),
  ],
)
def test_flags_that_are_wrong(flag, message):
  with pytest.raises(InputError, match=message):
    _run('a.mp4', flag)


def test_outputs_replace_nothing_else(folder, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  write_video(tmp_path / 'a.mp4', range(20, 220, 2), rate=5)
  content = (tmp_path / 'a.mp4').read_bytes()
  (tmp_path / 'link.mp4').symlink_to('a.mp4')
  for flags, message in (
    (['--json=a.mp4'], 'is the video'),
    (['--json=link.mp4'], 'is the video'),
    (['--annotated=link.mp4'], 'is the video'),
    (['--json=out', '--csv=out'], '--csv=out: is --json'),
    (['--json=.'], 'name of a file'),
  ):
    with pytest.raises(InputError, match=message):
      _run('a.mp4', f'--model={folder}', *flags)
  assert (tmp_path / 'a.mp4').read_bytes() == content
  (tmp_path / 'old').write_text('')
  (tmp_path / 'link').symlink_to('old')
  assert _run('a.mp4', f'--model={folder}', '--json=link') == 0
  assert (tmp_path / 'link').is_symlink()
  assert json.loads((tmp_path / 'old').read_text())
  assert _run('a.mp4', f'--model={folder}', '--json=/dev/null') == 0
  assert pathlib.Path('/dev/null').is_char_device()


def test_one_that_is_missing_among_others(folder, tmp_path, capsys):
  write_video(tmp_path / 'a.mp4', range(20, 220, 2), rate=5)
  # A name that is no UTF-8 can be written, too.
  odd = os.fsdecode(os.fsencode(tmp_path / 'b') + b'\xff.mp4')
  shutil.copy(tmp_path / 'a.mp4', odd)
  code = _run(
    tmp_path / 'absent.mp4',
    tmp_path,
    f'--model={folder}',
    f'--json={tmp_path}/out.json',
  )
  assert code == 1 and 'absent.mp4' in capsys.readouterr().err
  names = [j['name'] for j in json.loads((tmp_path / 'out.json').read_text())]
  names = [pathlib.PurePath(name).name for name in names]
  assert names == ['a.mp4', r'b\udcff.mp4']


def test_a_folder_for_the_model_that_holds_others(folder, tmp_path):
  (tmp_path / 'README.md').write_text('mine')
  with pytest.raises(InputError, match='holds other files'):
    bundle.main([f'--workdir={folder}', f'--out={tmp_path}'])
  assert (tmp_path / 'README.md').read_text() == 'mine'
  # A model may be written anew.
  model_folder.write_model(find_model(folder), tmp_path / 'model')
  bundle.main([f'--workdir={folder}', f'--out={tmp_path}/model'])


_DAMAGES = {
  'config': [{}, 5, None],
  'config.input': [5, {}],
  'config.input.frames': [0, 'x'],
  'config.input.crop': [-3],
  'config.input.anchor': ['zz'],
  'config.input.foo': [1],
  'config.model': [{}, None],
  'config.model.width': [-1, '8'],
  'config.model.clips': [0],
  'config.network': [5, 'no.such'],
  'config.tasks': [5, 'nothing'],
  'frames.width': [-3, 4.5, '43'],
  'frames.height': [0],
  'frames.frames_per_second': [0, '25', None],
  'absolute_errors': [[3.0, 1.0], [-5.0], 5],
  'classes': [[['position', ['a', 'a', 'a']]], 5],
  'vocabulary': [5, ['a']],
  'step': ['x'],
}


@pytest.mark.parametrize(
  'field, value',
  [(field, value) for field, values in _DAMAGES.items() for value in values],
)
def test_descriptions_that_can_not_be(folder, tmp_path, field, value):
  shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
  path = tmp_path / 'model.json'
  found = json.loads(path.read_text())
  *parts, last = field.split('.')
  part = found
  for name in parts:
    part = part[name]
  part[last] = value
  path.write_text(json.dumps(found))
  with pytest.raises(InputError, match=r'model\.(json|safetensors)'):
    find_model(tmp_path)


def test_weights_that_are_not_finite(folder, tmp_path):
  shutil.copytree(folder, tmp_path / 'model')
  path = tmp_path / 'model/model.safetensors'
  weights = safetensors.numpy.load_file(path)
  name = next(name for name in weights if name.endswith('kernel'))
  weights[name].flat[0] = 1e6
  safetensors.numpy.save_file(weights, path)
  with pytest.raises(InputError, match=f'{name} is not finite in float16'):
    bundle.main(
      [
        f'--workdir={tmp_path}/model',
        f'--out={tmp_path}/half',
        '--dtype=float16',
      ]
    )
  assert not (tmp_path / 'half').exists()
  weights[name].flat[0] = np.nan
  safetensors.numpy.save_file(weights, path)
  with pytest.raises(InputError, match='is not finite'):
    find_model(tmp_path / 'model')


@pytest.mark.parametrize('item', [None, 5, b'a.mp4', [None], [['a.mp4']]])
def test_what_is_no_video(judge, item):
  with pytest.raises(TypeError, match='is no video'):
    judge(item)


def test_options_that_are_wrong(judge):
  with pytest.raises(TypeError, match="unknown option 'end_second'"):
    judge(_video(), end_second=2)
  for options in (
    {'frames_per_second': 0},
    {'frames_per_second': '25'},
    {'end_seconds': '2'},
    {'speed': None},
  ):
    (name,) = options
    with pytest.raises(InputError, match=f'{name}='):
      judge(_video(), **options)


@pytest.mark.parametrize('name', ['', '~no_such_user/a.mp4', 'a' * 300, 'a\0b'])
def test_names_that_can_not_be(judge, name):
  with pytest.raises(InputError):
    judge(name)
  with pytest.raises(InputError):
    find_model(name)
