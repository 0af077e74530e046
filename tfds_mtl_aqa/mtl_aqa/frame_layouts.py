"""Where people keep the frames of MTL-AQA."""

import dataclasses

from tfds_mtl_aqa.clips.sought_dive import Layouts, SoughtDive
from tfds_mtl_aqa.mtl_aqa import unlv_dive

# {e} is the event, {s} the sample, {i} the AQA-7 diving id; ':02d' pads.
LAYOUTS = Layouts(
  event_folders=(
    'whole_videos_frames/{e:02d}',
    'new_total_frames_256s/{e:02d}',
    'new_total_frames_256s/{e}',
    'new/new_total_frames_256s/{e:02d}',
    'new/new_total_frames_256s/{e}',
    'MTL-AQA/new/new_total_frames_256s/{e:02d}',
    'MTL-AQA/new/new_total_frames_256s/{e}',
    'new/{e:02d}',
    'MTL-AQA/new/{e:02d}',
    'frames/{e:02d}',
    'video{e}_frames',
    'video{e:02d}_frames',
    '{e:02d}',
  ),
  event_videos=(
    'whole_videos/{e:02d}',
    'videos/{e:02d}',
    '{e:02d}',
    'whole_videos/{e}',
    'videos/{e}',
    '{e}',
    'video{e}',
    'video{e:02d}',
  ),
  dive_folders=(
    'frames/{e:02d}_{s:02d}',
    'data/frames/{e:02d}_{s:02d}',
    'frames_long/{e:02d}_{s:02d}',
    'MTL_AQA/frames_long/{e:02d}_{s:02d}',
    '{e:02d}_{s:02d}',
    'diving-out/{i:03d}',
    'diving_samples_lstm_103/frames/{i:03d}',
  ),
  dive_videos=(
    'dives/{e:02d}_{s:02d}',
    'videos/{e:02d}_{s:02d}',
    '{e:02d}_{s:02d}',
    'mtl_aqa_{e:02d}_{s:02d}',
    'diving-out/{i:03d}',
    'diving/{i:03d}',
  ),
  event_examples=('whole_videos_frames/{e:02d}/', '{e:02d}.mp4'),
  dive_examples=('frames/{e:02d}_{s:02d}/', '{e:02d}_{s:02d}.avi'),
  legend='e event, s sample, i AQA-7 id',
)
# Only whole events: for what is not cut like MTL-AQA's dives.
EVENT_LAYOUTS = dataclasses.replace(
  LAYOUTS,
  dive_folders=(),
  dive_videos=(),
  dive_examples=LAYOUTS.event_examples,
)

_AQA7_IDS = unlv_dive.ids_by_key()


def sought_dive(
  key: tuple[int, int], start_frame: int, end_frame: int
) -> SoughtDive:
  """Returns where the frames of a dive may lie.

  Args:
    key: event and sample.
    start_frame: number of its first frame in the event, from 1.
    end_frame: number of its last.
  """
  event, sample = key
  fields = {'e': event, 's': sample}
  if key in _AQA7_IDS:
    fields['i'] = _AQA7_IDS[key]
  return SoughtDive(
    LAYOUTS, fields, f'event {event:02d}', (start_frame, end_frame)
  )


def dive_name(key: tuple[int, int]) -> str:
  """Returns the name of a dive, such as '03_55'.

  Args:
    key: event and sample.
  """
  event, sample = key
  return f'{event:02d}_{sample:02d}'
