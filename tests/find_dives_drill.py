"""Figures of the dives that are found and judged, for docs/results.md.

python tests/find_dives_drill.py

On simulated footage of events that neither network has seen; on simulated
dives that are cut already; on 30 clips without a dive; and on the real videos
of ../shared/media, changed in several ways, where they are there.
"""

import argparse
import fractions
import pathlib
import sys
import tempfile

import av
import numpy as np
from scipy import stats

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from frame_numbers_test import _turn  # noqa: E402

import aqa_jax  # noqa: E402
from aqa_jax.evaluation.found_dives import FoundDive, match  # noqa: E402
from aqa_jax.judging import kinetics, video  # noqa: E402
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive  # noqa: E402
from tfds_mtl_aqa.simulated_dives.renderer import render_dive  # noqa: E402
from tfds_mtl_aqa.simulated_dives.simulation_config import (  # noqa: E402
  CONFIGS,
)
from tfds_mtl_aqa.simulated_footage.footage import (  # noqa: E402
  simulate_footage,
)
from tfds_mtl_aqa.simulated_footage.footage_config import (  # noqa: E402
  CONFIGS as FOOTAGE_CONFIGS,
)

MEDIA = pathlib.Path(__file__).parents[2] / 'shared/media'
_FOOTAGE = FOOTAGE_CONFIGS['as_longer']
_RATE = _FOOTAGE.frames_per_second


def _footage(judge, count):
  """Prints recall, precision, and how much worse the scores are."""
  found, true, of_found, of_cut, truth = [], [], [], [], []
  for number in range(count):
    footage = simulate_footage(_FOOTAGE, 'test', number)
    judged = [
      j
      for j in judge.dives(footage.frames, frames_per_second=_RATE)
      if j.is_dive
    ]
    found.append(
      [
        FoundDive(j.take_off_seconds, j.entry_seconds, j.dive_confidence)
        for j in judged
      ]
    )
    true.append([(d.take_off, d.entry) for d in footage.dives])
    for dive in footage.dives:
      near = [j for j in judged if abs(j.entry_seconds - dive.entry) < 0.2]
      if not near:
        continue
      end = dive.entry + dive.dive.seconds_after_entry
      cut = judge(footage.frames, frames_per_second=_RATE, end_seconds=end)
      of_found.append(near[0].score)
      of_cut.append(cut.score)
      truth.append(dive.dive.final_score)
  figures = match(found, true)
  print(
    f'{count} videos of unseen events, {figures.num_dives} dives, '
    f'{figures.num_found} found: recall {figures.recall:.3f}, precision '
    f'{figures.precision:.3f} (entry within 0.2 s), take-off within 0.4 s '
    f'{figures.take_off_recall:.3f}'
  )
  spearman = [stats.spearmanr(s, truth)[0] for s in (of_found, of_cut)]
  print(
    f'score of {len(truth)} of them, Spearman: found {spearman[0]:.3f}, cut by '
    f'the truth {spearman[1]:.3f}; mean difference '
    f'{np.abs(np.subtract(of_found, of_cut)).mean():.2f} points'
  )


def _refused(judge, count):
  for name in ('longer', 'clips_171x128'):
    config = CONFIGS[name]
    refused = 0
    for index in range(count):
      frames = render_dive(simulate_dive(config, 'test', index))
      judgement = judge(frames, frames_per_second=config.frames_per_second)
      refused += not judgement.is_dive
    print(f'{name}: {refused} of {count} dives are refused')


def _others(judge):
  from find_dives_test import _clips_without_dive

  scored = []
  for name, frames in _clips_without_dive():
    for judgement in judge.dives(frames, frames_per_second=12.5):
      if judgement.is_dive:
        scored.append(f'{name} ({" ".join(judgement.warnings) or "silently"})')
  print(f'30 clips without a dive: a score for {scored or "none"}')


def _write(path, images, rate):
  """Writes BGR images."""
  with av.open(str(path), 'w') as container:
    stream = container.add_stream(
      'libx264', rate=fractions.Fraction(rate), options={'crf': '10'}
    )
    stream.height, stream.width = images[0].shape[:2]
    stream.pix_fmt = 'yuv420p'
    for image in images:
      frame = av.VideoFrame.from_ndarray(
        np.ascontiguousarray(image), format='bgr24'
      )
      container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _remux(source, path):
  with av.open(str(source)) as old, av.open(str(path), 'w') as new:
    stream = old.streams.video[0]
    copy = new.add_stream_from_template(stream)
    for packet in old.demux(stream):
      if packet.dts is not None:
        packet.stream = copy
        new.mux(packet)


def _variants(folder):
  """Yields (name, path, frames before the dive's own video)."""
  source = MEDIA / 'mtl_aqa_03_55.avi'
  images = [frame.image for frame in video.read_file(source, [])]
  yield 'as it is', source, 0
  for fewer in (1, 2, 4):
    rate = 30 - fewer
    count = len(images) * rate // 30
    kept = [images[round(i * 30 / rate)] for i in range(count)]
    _write(folder / f'less{fewer}.mp4', kept, rate)
    yield f'{fewer} a second less', folder / f'less{fewer}.mp4', 0
  # Stored on its side, with a note that says so, as telephones do.
  _write(folder / 'turned.mp4', [np.rot90(x) for x in images], 30)
  _turn(folder / 'turned.mp4', (0, 1, -1, 0))
  yield 'turned, with a note', folder / 'turned.mp4', 0
  _remux(source, folder / 'remuxed.mkv')
  yield 'remuxed', folder / 'remuxed.mkv', 0
  twice = [x for x in images for _ in range(2)]
  _write(folder / 'sixty.mp4', twice, 60)
  yield '60 a second', folder / 'sixty.mp4', 0
  other = [
    frame.image
    for frame in video.read_file(MEDIA / 'not_a_dive_arm_wrestling.mp4', [])
  ]
  height, width, _ = images[0].shape
  import cv2

  around = [cv2.resize(x, (width, height)) for x in other]
  long = around[:150] + images + around[150:]
  _write(folder / 'inside.mp4', long, 30)
  yield 'inside a longer video', folder / 'inside.mp4', 150


def _real(judge):
  if not MEDIA.is_dir():
    print('../shared/media is not there')
    return
  with tempfile.TemporaryDirectory() as name:
    first = None
    for kind, path, offset in _variants(pathlib.Path(name)):
      judged = [j for j in judge.dives(path) if j.is_dive]
      if not judged:
        (none,) = judge.dives(path)
        print(f'{kind}: {" ".join(none.warnings)}')
        continue
      judgement = judged[0]
      first = first or judgement
      end = judgement.frame_seconds[-1] - offset / 30
      score = judgement.score
      print(
        f'{kind}: {len(judged)} dive(s), entry at '
        f'{judgement.entry_seconds - offset / 30:.2f} s, window ends at '
        f'{end:.2f} s ({30 * (end - first.frame_seconds[-1]):+.1f} frames), '
        f'score {score:.1f} ({100 * (score / first.score - 1):+.1f} %) '
        f'{" ".join(judgement.warnings)}'
      )
    for other in ('diving_sample.gif', 'not_a_dive_arm_wrestling.mp4'):
      for judgement in judge.dives(MEDIA / other):
        print(other, judgement.is_dive, judgement.dive_confidence)


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--videos', type=int, default=150)
  parser.add_argument('--dives', type=int, default=200)
  parser.add_argument('--finder', default=None)
  chosen = parser.parse_args()
  judge = aqa_jax.load(finder=chosen.finder)
  print(f'I3D: {kinetics.is_installed()}')
  _real(judge)
  _others(judge)
  _refused(judge, chosen.dives)
  _footage(judge, chosen.videos)


if __name__ == '__main__':
  main()
