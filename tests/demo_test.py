"""`python -m aqa_jax.demo`."""

import json

import pytest
from html_page import Page

from aqa_jax import demo
from aqa_jax import judge as judge_command
from tfds_mtl_aqa.input_error import InputError


def test_it_judges_what_it_has_simulated(tmp_path, capsys):
  assert demo.main([f'--out={tmp_path}']) == 0
  said = capsys.readouterr().out
  for path in tmp_path.iterdir():
    assert f'  {path}\n' in said
  videos = sorted(tmp_path.glob('*.mp4'))
  assert len(videos) == 4
  pages = [
    Page((tmp_path / f'{name}.html').read_text()) for name in ('dives', 'event')
  ]
  assert [len(page.all('article')) for page in pages] == [3, 2]
  # Each file is named after its dive, and judged as one of the kind.
  code = judge_command.main(
    [str(tmp_path / 'dive_207C.mp4'), f'--json={tmp_path}/out.json']
  )
  (judged,) = json.loads((tmp_path / 'out.json').read_text())
  assert code == 0 and judged['dive_number'] == '207C'


def test_a_folder_that_can_not_be(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(InputError, match='--out='):
    demo.main([f'--out={tmp_path}/file/demo'])
