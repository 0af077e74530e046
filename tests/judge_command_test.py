"""`python -m aqa_jax.judge`: its calls, files, page and annotated videos."""

import csv
import json
import os
import pathlib
import shutil

import av
import jax
import numpy as np
import pytest
from html_page import Page, check_self_contained
from video_test import write_video

from aqa_jax import compilation_cache
from aqa_jax import judge as judge_command
from aqa_jax.judging import judgement_page
from aqa_jax.judging.annotated_files import AnnotatedFiles
from aqa_jax.judging.clip_reader import ClipReader
from tfds_mtl_aqa.input_error import InputError


def _run(*arguments):
  # The videos of these tests show no dive.
  return judge_command.main([*map(str, arguments), '--force'])


def test_the_command(model_dir, tmp_path, capsys):
  for name in ('a.mp4', 'b.mp4'):
    write_video(tmp_path / name, range(20, 220, 2), rate=5)
  (tmp_path / 'broken.mp4').write_text('no video')
  code = _run(
    tmp_path, f'--model={model_dir}', '--csv=-', f'--json={tmp_path}/out.json'
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
  code = _run(tmp_path / 'a.mp4', f'--model={model_dir}', '--end=2.4s')
  said = capsys.readouterr()
  assert code == 0 and 'frames 2 to 13' in said.out


def test_the_page(model_dir, tmp_path):
  hostile = '<b>&amp;.mp4'
  for name in ('a.mp4', hostile):
    write_video(tmp_path / name, range(20, 220, 2), rate=5)
  path = tmp_path / 'out.html'
  assert _run(tmp_path, f'--model={model_dir}', f'--html={path}') == 0
  text = path.read_text('utf-8')
  page = Page(text)
  check_self_contained(page, text)
  titles = [title for _, title in page.all('h3')]
  assert titles[0].startswith(hostile) and titles[1].startswith('a.mp4')
  assert 'has seen simulated dives only' in page.all('p', role='alert')[0][1]
  # Twice eight pictures, and a bar for each frame that the network saw.
  assert len(page.all('img')) == 16
  assert len(page.all('rect')) == 2 * 12


def test_a_video_with_its_judgement(model_dir, tmp_path):
  write_video(tmp_path / 'a.mp4', range(20, 220, 2), rate=5)
  path = tmp_path / 'out.mp4'
  code = _run(
    tmp_path / 'a.mp4',
    f'--model={model_dir}',
    f'--annotated={path}',
    '--end=90',
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


def test_videos_of_one_name_have_their_own(model_dir, tmp_path):
  for name in ('a', 'b'):
    (tmp_path / name).mkdir()
    write_video(tmp_path / name / 'x.mp4', range(20, 220, 2), rate=5)
  (tmp_path / 'out').mkdir()
  code = _run(
    tmp_path / 'a',
    tmp_path / 'b',
    f'--model={model_dir}',
    f'--annotated={tmp_path}/out',
  )
  assert code == 0
  names = sorted(path.name for path in (tmp_path / 'out').iterdir())
  assert names == ['x_judged.mp4', 'x_judged_2.mp4']


def test_again_with_the_same_annotated_videos(model_dir, tmp_path, capsys):
  """They are replaced, what is not of this video stays, and none is judged."""
  write_video(tmp_path / 'x.mp4', range(20, 220, 2), rate=5)
  shutil.copy(tmp_path / 'x.mp4', tmp_path / 'x_judged.mp4')
  flags = f'--model={model_dir}', '--end=90', f'--annotated={tmp_path}'
  names = ['x.mp4', 'x_judged.mp4', 'x_judged_2.mp4']
  contents = []
  for _ in range(2):
    assert _run(tmp_path / 'x.mp4', *flags) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    contents.append([(tmp_path / name).read_bytes() for name in names])
  assert contents[0] == contents[1]
  assert contents[0][0] == contents[0][1] != contents[0][2]
  assert _run(tmp_path, f'--model={model_dir}', '--end=90') == 0
  said = capsys.readouterr()
  assert '1 of 3 videos were written by --annotated' in said.err
  assert '_2.mp4' not in said.out
  with pytest.raises(InputError, match='written by --annotated'):
    _run(tmp_path / '*_2.mp4')


def test_annotated_files_of_the_dives_of_a_video(tmp_path):
  videos = [tmp_path / 'x.mp4', tmp_path / 'out_2.mp4']
  for video in videos:
    write_video(video, [1, 2, 3])
  files = AnnotatedFiles(tmp_path / 'out.mp4', videos[:1])
  chosen = [files.file_for(videos[0]) for _ in range(3)]
  # out_2.mp4 is somebody's.
  assert [file.name for file in chosen] == ['out.mp4', 'out_3.mp4', 'out_4.mp4']
  files = AnnotatedFiles(tmp_path, videos)
  chosen = [files.file_for(video) for video in (*videos, videos[0])]
  assert [file.name for file in chosen] == [
    'x_judged.mp4',
    'out_2_judged.mp4',
    'x_judged_2.mp4',
  ]


def test_what_is_judged_is_not_lost(model_dir, tmp_path, monkeypatch):
  """After Ctrl-C, before the ninth video."""
  write_video(tmp_path / 'a.mp4', range(20, 220, 2), rate=5)
  for number in range(9):
    shutil.copy(tmp_path / 'a.mp4', tmp_path / f'b{number}.mp4')
  clips = ClipReader.clips

  def interrupted(self, item, progress, **options):
    if item.name == 'b7.mp4':
      raise KeyboardInterrupt
    return clips(self, item, progress, **options)

  monkeypatch.setattr(ClipReader, 'clips', interrupted)
  with pytest.raises(KeyboardInterrupt):
    _run(tmp_path, f'--model={model_dir}', f'--json={tmp_path}/out.json')
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
    (['a.mp4', '--fps=25'], 'for folders of images'),
    (['https://example.com/a.mp4'], 'download it'),
  ],
)
def test_calls_that_are_wrong(tmp_path, monkeypatch, arguments, message):
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'a').mkdir()
  write_video(tmp_path / 'a/a.mp4', [1, 2, 3])
  model_dir = 'empty' if arguments == ['.'] else 'a'
  monkeypatch.chdir(tmp_path / model_dir)
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
    ('--annotated=', '--annotated'),
    (f'--json={"a" * 999}', 'too long'),
    (f'--annotated={"a" * 999}.mp4', 'too long'),
    ('--no_such=1', '--no_such'),
  ],
)
def test_flags_that_are_wrong(flag, message):
  with pytest.raises(InputError, match=message):
    _run('a.mp4', flag)


def test_outputs_replace_nothing_else(model_dir, tmp_path, monkeypatch):
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
      _run('a.mp4', f'--model={model_dir}', *flags)
  assert (tmp_path / 'a.mp4').read_bytes() == content
  (tmp_path / 'old').write_text('')
  (tmp_path / 'link').symlink_to('old')
  assert _run('a.mp4', f'--model={model_dir}', '--json=link') == 0
  assert (tmp_path / 'link').is_symlink()
  assert json.loads((tmp_path / 'old').read_text())
  assert _run('a.mp4', f'--model={model_dir}', '--json=/dev/null') == 0
  assert pathlib.Path('/dev/null').is_char_device()


def test_one_that_is_missing_among_others(model_dir, tmp_path, capsys):
  write_video(tmp_path / 'a.mp4', range(20, 220, 2), rate=5)
  # A name that is no UTF-8 can be written, too.
  odd = os.fsdecode(os.fsencode(tmp_path / 'b') + b'\xff.mp4')
  shutil.copy(tmp_path / 'a.mp4', odd)
  code = _run(
    tmp_path / 'absent.mp4',
    tmp_path,
    f'--model={model_dir}',
    f'--json={tmp_path}/out.json',
  )
  assert code == 1 and 'absent.mp4' in capsys.readouterr().err
  names = [j['name'] for j in json.loads((tmp_path / 'out.json').read_text())]
  names = [pathlib.PurePath(name).name for name in names]
  assert names == ['a.mp4', r'b\udcff.mp4']


def test_who_has_no_home_needs_none(monkeypatch):
  """As in a container, with a number for a user."""
  monkeypatch.delenv('XDG_CACHE_HOME', raising=False)

  def home():
    raise RuntimeError('Could not determine home directory.')

  monkeypatch.setattr(pathlib.Path, 'home', home)
  before = jax.config.jax_compilation_cache_dir
  jax.config.update('jax_compilation_cache_dir', None)
  try:
    compilation_cache.use_for_user()
    assert jax.config.jax_compilation_cache_dir is None
  finally:
    jax.config.update('jax_compilation_cache_dir', before)
