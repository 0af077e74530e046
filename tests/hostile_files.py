"""Files that are no videos, half of one, or made to do harm; for drills."""

import fractions
import io
import pathlib
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

import av
import cv2
import numpy as np
from video_test import write_video

_GREYS = list(range(20, 220, 4))
# Kind of a file -> codec and format of its pixels.
_KINDS = {
  'mp4': ('libx264', 'yuv420p'),
  'mov': ('libx264', 'yuv420p'),
  'mkv': ('libx264', 'yuv420p'),
  'webm': ('libvpx-vp9', 'yuv420p'),
  'avi': ('mjpeg', 'yuvj420p'),
  'ts': ('mpeg2video', 'yuv420p'),
  'gif': ('gif', 'rgb8'),
}
NAMES = (
  '../../../etc/passwd',
  '..\\..\\windows\\win.ini',
  '/etc/passwd',
  '.',
  '..',
  '-rf',
  '~/a.mp4',
  '$(touch owned).mp4',
  '`id`.mp4',
  'a;b|c&d.mp4',
  '<script>alert(1)</script>.mp4',
  '"><img src=x onerror=alert(1)>.mp4',
  '\'"&amp;.mp4',
  'a\0b.mp4',
  'a\r\nSet-Cookie: x=1\r\n\r\n.mp4',
  '\N{DIVING MASK}\N{SWIMMER}\u200d\N{MALE SIGN}.mp4',
  'gpj\u202e4pm.exe',
  'a' * 300 + '.mp4',
  '%2e%2e%2f%00.mp4',
  '{{7*7}}{% raise %}.mp4',
  'http:clip.mp4',
  'concat:a|b',
  ' ',
  '',
)


def write_all(folder: pathlib.Path, port: int) -> list[pathlib.Path]:
  """Writes all files.

  Args:
    folder: an empty one.
    port: of this machine, to which some files point, over HTTP.

  Returns:
    The files, more than 200; each has the name of a video.
  """
  whole = folder / 'whole'
  whole.mkdir()
  for kind, (codec, pixels) in _KINDS.items():
    write_video(whole / f'a.{kind}', _GREYS, codec=codec, pix_fmt=pixels)
  # A file that only another one names: none of these may be shown.
  write_video(folder / 'secret.ts', _GREYS, codec='mpeg2video')
  chance = random.Random(0)
  videos = {kind: (whole / f'a.{kind}').read_bytes() for kind in _KINDS}
  contents: dict[str, bytes] = {}
  for kind, data in videos.items():
    contents |= dict(_cut(kind, data))
    contents |= dict(_changed(kind, data, chance))
  contents |= dict(_random(chance))
  contents |= dict(_of_other_kinds())
  contents |= dict(_playlists(folder / 'secret.ts', port))
  contents |= dict(_of_odd_sizes(videos))
  paths = []
  for name, data in contents.items():
    path = folder / name
    path.write_bytes(data)
    paths.append(path)
  for name in ('odd_times.mkv', 'long.gif', 'many.gif', 'sound.mp4'):
    path = folder / name
    _WRITTEN[name](path)
    paths.append(path)
  return paths


def _cut(kind: str, data: bytes) -> Iterator[tuple[str, bytes]]:
  for part in (1, 4, 9, 20, 40, 60, 80, 95, 99):
    yield f'cut_{part}.{kind}', data[: len(data) * part // 100]
  yield f'tail.{kind}', data[len(data) // 2 :]
  yield f'twice.{kind}', data + data


def _changed(
  kind: str, data: bytes, chance: random.Random
) -> Iterator[tuple[str, bytes]]:
  """Yields files of which some bytes are others."""
  for number in range(9):
    changed = bytearray(data)
    for _ in range(3**number // 40 + 1):
      # The head has what counts.
      end = len(data) if number % 2 else min(len(data), 300)
      changed[chance.randrange(end)] = chance.randrange(256)
    yield f'changed_{number}.{kind}', bytes(changed)
  for size in (0, 0xFFFFFFFF):
    # Every length that a box, an atom or a chunk may have at its place.
    changed = bytearray(data)
    for place in range(4, min(len(data) - 4, 120), 12):
      changed[place : place + 4] = struct.pack('>I', size)
    yield f'lengths_{size}.{kind}', bytes(changed)


def _random(chance: random.Random) -> Iterator[tuple[str, bytes]]:
  heads = {
    'none': b'',
    'mp4': b'\0\0\0\x18ftypisom\0\0\2\0isomiso2avc1mp41',
    'mkv': b'\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x88matroska',
    'avi': b'RIFF\xff\xff\xff\x7fAVI LIST',
    'gif': b'GIF89a\x20\0\x20\0\xf7\0\0',
    'ts': b'G@\0\x10\0',
    'flv': b'FLV\x01\x05\0\0\0\x09\0\0\0\0',
    'ogg': b'OggS\0\x02',
    'asf': bytes.fromhex('3026b2758e66cf11a6d900aa0062ce6c'),
    'h264': b'\0\0\0\x01\x67\x64\0\x1f',
    'mpg': b'\0\0\x01\xba',
  }
  for name, head in heads.items():
    for size in (0, 100, 40_000):
      yield f'random_{name}_{size}.mp4', head + chance.randbytes(size)


def _of_other_kinds() -> Iterator[tuple[str, bytes]]:
  archive = io.BytesIO()
  with zipfile.ZipFile(archive, 'w') as file:
    file.writestr('../../a.mp4', 'a')
  picture = np.full((24, 32, 3), 99, np.uint8)
  yield from {
    'empty.mp4': b'',
    'one_byte.mp4': b'\0',
    'zip.mp4': archive.getvalue(),
    'page.mp4': b'<!doctype html><script>alert(1)</script>',
    'script.mp4': b'fetch("http://example.com")',
    'drawing.mp4': b'<svg xmlns="http://www.w3.org/2000/svg">'
    b'<image href="file:///etc/passwd"/></svg>',
    'text.mp4': b'It is no video.\n' * 200,
    'text.nfo': b'\x1b[31mIt is no video.\n' * 200,
    'shell.mp4': b'#!/bin/sh\ntouch owned\n',
    'program.mp4': b'\x7fELF\x02\x01\x01' + bytes(300),
    'letter.mp4': b'%PDF-1.7\n%%EOF\n',
    'png.mp4': cv2.imencode('.png', picture)[1].tobytes(),
    'jpg.mp4': cv2.imencode('.jpg', picture)[1].tobytes(),
    'bmp.mp4': cv2.imencode('.bmp', picture)[1].tobytes(),
    'pickle.mp4': b'cos\nsystem\n(S"touch owned"\ntR.',
    'subtitles.mp4': b'1\n00:00:00,000 --> 00:00:05,000\nHi\n',
    'sound.wav.mp4': b'RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0D\xac\0\0\x88X\1'
    b'\0\2\0\x10\0data\0\0\0\0',
  }.items()


def _playlists(secret: pathlib.Path, port: int) -> Iterator[tuple[str, bytes]]:
  """Yields what names other files and addresses."""
  hls = '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n'
  web = f'http://127.0.0.1:{port}/a.ts'
  dash = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
    'type="static" mediaPresentationDuration="PT2S"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1" mimeType="video/mp4"><BaseURL>{}'
    '</BaseURL></Representation></AdaptationSet></Period></MPD>'
  )
  for where, target in (('file', str(secret)), ('web', web)):
    yield f'hls_{where}.mp4', hls.format(target).encode()
    yield f'hls_{where}.m3u8', hls.format(target).encode()
    text = f"ffconcat version 1.0\nfile '{target}'\n"
    yield f'concat_{where}.mp4', text.encode()
    yield f'dash_{where}.mp4', dash.format(target).encode()
    yield f'dash_{where}.mpd', dash.format(target).encode()
    yield f'list_{where}.mp4', f'[playlist]\nFile1={target}\n'.encode()
    yield f'asx_{where}.mp4', f'<asx><ref href="{target}"/></asx>'.encode()
  yield 'hls_concat.mp4', hls.format(f'concat:{secret}|{secret}').encode()
  yield 'hls_subfile.mp4', hls.format(f'subfile:{secret}').encode()
  yield 'session.sdp.mp4', b'v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 26\n'
  yield 'script.avs', b'FFmpegSource2("secret.ts")'


def _chunk(kind: bytes, data: bytes) -> bytes:
  return (
    struct.pack('>I', len(data))
    + kind
    + data
    + struct.pack('>I', zlib.crc32(kind + data))
  )


def _of_odd_sizes(videos: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
  """Yields videos of huge, tiny and impossible pictures."""
  yield (
    'huge.gif',
    b'GIF89a'
    + b'\xff' * 4
    + b'\xf7\0\0'
    + bytes(768)
    + (b',\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;'),
  )
  gif = bytearray(videos['gif'])
  gif[6:10] = b'\xff' * 4
  yield 'huge_2.gif', bytes(gif)
  for side in (16000, 30000, 0x7FFFFFFF):
    apng = b'\x89PNG\r\n\x1a\n' + _chunk(
      b'IHDR', struct.pack('>II5B', side, side, 8, 2, 0, 0, 0)
    )
    apng += _chunk(b'acTL', struct.pack('>II', 2, 0))
    apng += _chunk(b'fcTL', struct.pack('>IIIIIHHBB', 0, side, side, *[0] * 6))
    apng += _chunk(b'IDAT', zlib.compress(bytes(10**6))) + _chunk(b'IEND', b'')
    yield f'huge_{side}.apng', apng
    head = f'YUV4MPEG2 W{side} H{side} F25:1 C420\nFRAME\n'.encode()
    yield f'huge_{side}.y4m', head + bytes(10**5)
    avi = bytearray(videos['avi'])
    # Width and height, in the headers of the file and of the stream.
    for place in (64, 176):
      avi[place : place + 8] = struct.pack('<II', side, side)
    yield f'huge_{side}.avi', bytes(avi)
    mp4 = bytearray(videos['mp4'])
    at = mp4.find(b'avc1', mp4.find(b'stsd')) + 28
    mp4[at : at + 4] = struct.pack('>HH', side & 0xFFFF, side & 0xFFFF)
    yield f'huge_{side}.mp4', bytes(mp4)
  jpegs = [
    cv2.imencode('.jpg', np.full((height, width, 3), 99, np.uint8))[1]
    for height, width in ((24, 32), (2400, 3200), (1, 1), (8, 6000), (6000, 8))
  ]
  yield 'changing.mjpeg', b''.join(jpeg.tobytes() for jpeg in jpegs)
  for width, height in ((1, 1), (2, 2), (1, 999), (4000, 2), (3, 3)):
    luma, chroma = width * height, -(-width // 2) * -(-height // 2)
    frame = b'FRAME\n' + bytes(luma + 2 * chroma)
    yield (
      f'tiny_{width}x{height}.y4m',
      f'YUV4MPEG2 W{width} H{height} F25:1 C420\n'.encode() + 40 * frame,
    )
  yield 'no_size.y4m', b'YUV4MPEG2 W0 H0 F25:1 C420\nFRAME\n'
  yield 'no_rate.y4m', b'YUV4MPEG2 W4 H4 F0:0 C420\nFRAME\n' + bytes(24)


def _write_odd_times(path: pathlib.Path) -> None:
  times = [0, 1, 2, 3, 10**6, 10**9]
  write_video(path, _GREYS[:6], times=times)


def _write_long_gif(path: pathlib.Path) -> None:
  """Frames of eleven minutes each, for ever again."""
  frames = [np.full((8, 8, 3), grey, np.uint8) for grey in _GREYS]
  _write_gif(path, frames, 65535)


def _write_many_gif(path: pathlib.Path) -> None:
  """Many frames, of no time at all."""
  frames = [
    np.full((8, 8, 3), 40 * (place % 6), np.uint8) for place in range(4000)
  ]
  _write_gif(path, frames, 0)


def _write_gif(
  path: pathlib.Path, frames: list[np.ndarray], hundredths: int
) -> None:
  with av.open(str(path), 'w', options={'loop': '0'}) as container:
    stream = container.add_stream('gif', rate=25)
    stream.width = stream.height = 8
    stream.pix_fmt = 'rgb8'
    for image in frames:
      frame = av.VideoFrame.from_ndarray(image, format='rgb24')
      container.mux(stream.encode(frame.reformat(format='rgb8')))
    container.mux(stream.encode())
  data = bytearray(path.read_bytes())
  place = data.find(b'\x21\xf9\x04')
  while place >= 0:
    data[place + 4 : place + 6] = struct.pack('<H', hundredths)
    place = data.find(b'\x21\xf9\x04', place + 4)
  path.write_bytes(data)


def _write_sound(path: pathlib.Path) -> None:
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('aac', rate=44100, layout='mono')
    for place in range(20):
      frame = av.AudioFrame.from_ndarray(
        np.zeros((1, 1024), np.float32), format='fltp', layout='mono'
      )
      frame.sample_rate, frame.pts = 44100, 1024 * place
      frame.time_base = fractions.Fraction(1, 44100)
      container.mux(stream.encode(frame))
    container.mux(stream.encode())


_WRITTEN = {
  'odd_times.mkv': _write_odd_times,
  'long.gif': _write_long_gif,
  'many.gif': _write_many_gif,
  'sound.mp4': _write_sound,
}
