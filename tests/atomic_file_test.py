import pytest

from tfds_mtl_aqa import atomic_file


@pytest.mark.parametrize('sync', [True, False])
def test_the_name_is_given_at_the_end(tmp_path, sync):
  path = tmp_path / 'file'
  path.write_text('old')
  with atomic_file.replaced(path, sync=sync) as part:
    part.write_text('new')
    assert path.read_text() == 'old'
    assert part.parent == tmp_path
  assert path.read_text() == 'new'
  assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_stays(tmp_path):
  path = tmp_path / 'file'
  path.write_text('old')
  with (
    pytest.raises(RuntimeError, match='interrupted'),
    atomic_file.replaced(path) as part,
  ):
    part.write_text('ne')
    raise RuntimeError('interrupted')
  assert path.read_text() == 'old'
  assert list(tmp_path.iterdir()) == [path]


def test_a_folder_with_others_in_it_is_brought_to_the_disk(tmp_path):
  (tmp_path / 'file').write_text('a')
  (tmp_path / 'folder').mkdir()
  atomic_file.sync_folder(tmp_path)
