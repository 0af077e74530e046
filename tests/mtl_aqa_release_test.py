import errno
import functools
import http.server
import pathlib
import re
import threading

import fake_mtl_aqa
import pytest
import tensorflow_datasets as tfds

from tfds_mtl_aqa import MtlAqa, input_error
from tfds_mtl_aqa.mtl_aqa import release


def _manager(folder, infos):
  return tfds.download.DownloadManager(
    download_dir=folder / 'downloads', url_infos=infos, dataset_name='mtl_aqa'
  )


class _NoDownload:
  def download(self, url):
    raise AssertionError(f'{url} was asked for')


def test_every_file_is_pinned():
  assert len(release.URLS) == 11
  for url in release.URLS.values():
    assert re.search(r'\.com/\w+/[\w-]+/[0-9a-f]{40}/', url)
    assert re.fullmatch('[0-9a-f]{64}', MtlAqa.url_infos[url].checksum)
    assert MtlAqa.url_infos[url].size > 500
  assert set(MtlAqa.url_infos) == set(release.URLS.values())


@pytest.mark.parametrize(
  'folder',
  [
    '.',
    'Ready_2_Use',
    'MTL-AQA_dataset_release/Ready_2_Use',
    'MTL-AQA/MTL-AQA_dataset_release/Ready_2_Use',
    'MTL-AQA-master/MTL-AQA_dataset_release/Ready_2_Use',
  ],
)
@pytest.mark.parametrize(
  'judges', ['.', 'info', 'CoRe/MTL-AQA/info', 'CoRe-main/MTL-AQA/info']
)
def test_takes_what_manual_dir_has(tmp_path, folder, judges):
  paths = fake_mtl_aqa.write_release(tmp_path / folder)
  infos = fake_mtl_aqa.url_infos(paths)
  moved = tmp_path / judges / paths['judges'].name
  moved.parent.mkdir(parents=True, exist_ok=True)
  paths['judges'] = paths['judges'].rename(moved)
  assert release.locate(_NoDownload(), tmp_path, infos) == paths


def test_refuses_a_changed_file(tmp_path):
  paths = fake_mtl_aqa.write_release(tmp_path)
  infos = fake_mtl_aqa.url_infos(paths)
  paths['vocabulary'].write_text('{}')
  with pytest.raises(
    input_error.InputError,
    match='vocab.json: is not the released file .*replace it by https://',
  ):
    release.locate(_NoDownload(), tmp_path, infos)


@pytest.fixture(name='served')
def fixture_served(tmp_path, monkeypatch):
  """A release on a server of this machine: (paths, checksums)."""
  paths = fake_mtl_aqa.write_release(tmp_path / 'served')

  class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
      pass

  handler = functools.partial(Handler, directory=str(tmp_path / 'served'))
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
  thread = threading.Thread(target=server.serve_forever)
  thread.start()
  root = f'http://127.0.0.1:{server.server_port}'
  urls = {
    role: f'{root}/{path.relative_to(tmp_path / "served")}'
    for role, path in paths.items()
  }
  monkeypatch.setattr(release, 'URLS', urls)
  yield paths, fake_mtl_aqa.url_infos(paths)
  server.shutdown()
  server.server_close()
  thread.join()


def test_downloads_what_manual_dir_lacks(tmp_path, served):
  paths, infos = served
  manual = tmp_path / 'manual'
  fake_mtl_aqa.write_release(manual)['test'].unlink()
  located = release.locate(_manager(tmp_path, infos), manual, infos)
  for role, path in paths.items():
    assert located[role].read_bytes() == path.read_bytes()
    in_manual_dir = manual in located[role].parents
    assert in_manual_dir == (role != 'test')


def test_downloads_everything_without_manual_dir(tmp_path, served):
  paths, infos = served
  located = release.locate(_manager(tmp_path, infos), None, infos)
  for role, path in paths.items():
    assert located[role].read_bytes() == path.read_bytes()


def test_refuses_a_download_that_is_not_the_release(tmp_path, served):
  paths, infos = served
  paths['captions'].write_bytes(b'something else')
  with pytest.raises(
    input_error.InputError,
    match=r'captions_dict.pkl: could not be downloaded \(NonMatchingChecksum',
  ):
    release.locate(_manager(tmp_path, infos), None, infos)


def test_a_file_that_is_gone(tmp_path, served):
  paths, infos = served
  paths['vocabulary'].unlink()
  with pytest.raises(
    input_error.InputError, match=r'vocab.json: could not be .*DownloadError'
  ):
    release.locate(_manager(tmp_path, infos), None, infos)


def test_a_full_disk_is_not_the_networks_fault(tmp_path, served, monkeypatch):
  _, infos = served
  manager = _manager(tmp_path, infos)

  def fail(url):
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr(manager, 'download', fail)
  with pytest.raises(OSError, match='No space left'):
    release.locate(manager, None, infos)


def test_without_a_connection_says_what_to_put_where(tmp_path, monkeypatch):
  manual = tmp_path / 'manual'
  paths = fake_mtl_aqa.write_release(manual)
  infos = fake_mtl_aqa.url_infos(paths)
  paths['train'].unlink()
  paths['judges'].unlink()
  # A port of this machine on which nothing listens.
  with http.server.HTTPServer(('127.0.0.1', 0), None) as server:
    port = server.server_port
  urls = {role: f'http://127.0.0.1:{port}/{role}' for role in release.URLS}
  infos = dict(zip(urls.values(), infos.values(), strict=True))
  monkeypatch.setattr(release, 'URLS', urls)
  with pytest.raises(input_error.InputError) as caught:
    release.locate(_manager(tmp_path, infos), manual, infos)
  message = str(caught.value)
  assert message.startswith(f'{urls["train"]}: could not be downloaded')
  assert message.endswith(
    f'or put these files into {manual}: '
    'MTL-AQA_split_0_data/train_split_0.pkl, '
    'final_annotations_dict_with_dive_number.pkl.'
  )
  assert '\n' not in message
  assert pathlib.Path(paths['test']).exists()
