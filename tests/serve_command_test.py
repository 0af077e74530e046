"""The command `python -m aqa_jax.serve`: what it refuses to begin with."""

import socket

import pytest

from aqa_jax import serve
from tfds_mtl_aqa.input_error import InputError


def test_a_port_that_is_taken():
  with socket.create_server(('127.0.0.1', 0)) as other:
    port = other.getsockname()[1]
    with pytest.raises(InputError, match=f'--port={port}: cannot be had'):
      serve.main([f'--port={port}'])


@pytest.mark.parametrize(
  'flag, message',
  [
    ('--port=x', '--port'),
    ('--port=70000', '--port'),
    ('--max_mb=0', '--max_mb'),
    ('--max_queue=1.5', '--max_queue'),
    ('--host=no.such.invalid', '--host'),
    ('--no_such', 'no_such'),
  ],
)
def test_flags_that_are_wrong(flag, message):
  with pytest.raises(InputError, match=message):
    serve.main([flag])


def test_a_model_that_is_not_there(tmp_path):
  with pytest.raises(InputError, match='absent: is not there'):
    serve.main(['--port=0', f'--model={tmp_path}/absent'])
  with pytest.raises(InputError, match='holds no model'):
    serve.main(['--port=0', f'--model={tmp_path}'])


def test_without_its_packages(monkeypatch):
  monkeypatch.setattr(serve, '_PACKAGES', ('no_such_package',))
  with pytest.raises(InputError, match=r'no_such_package.*\.\[serve\]'):
    serve.main([])
