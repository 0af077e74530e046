import errno

import pytest

from tfds_mtl_aqa.disk_error import disk_errors_named
from tfds_mtl_aqa.input_error import InputError


@pytest.mark.parametrize(
  'error',
  [
    OSError(errno.ENOSPC, 'No space left on device'),
    OSError(errno.EROFS, 'Read-only file system', '/data/tfds'),
    OSError(errno.EROFS, 'Read-only file system', '/data/tfds/a/b/x'),
    RuntimeError('write() failed: No space left on device; writing /x/y'),
    OSError('Not enough disk space.'),
  ],
)
def test_names_the_folder(error):
  with (
    pytest.raises(InputError) as caught,
    disk_errors_named('/data/tfds/a/b'),
  ):
    raise error
  message = str(caught.value)
  assert message.startswith('/data/tfds/a/b: can not be written (')
  assert '--data_dir' in message and len(message.splitlines()) == 1


@pytest.mark.parametrize(
  'error',
  [
    PermissionError(errno.EACCES, 'Permission denied', '/data/tfds/manual/1'),
    FileNotFoundError(errno.ENOENT, 'No such file', '/videos/03.mp4'),
    RuntimeError('something else'),
    InputError('03.mp4: is damaged; get it again.'),
  ],
)
def test_other_errors_stay_as_they_are(error):
  with pytest.raises(type(error)) as caught, disk_errors_named('/data/tfds/a'):
    raise error
  assert caught.value is error
