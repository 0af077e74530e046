"""What a server takes, and for how long it keeps it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
  """What a server takes, and for how long it keeps it.

  Attributes:
    max_bytes: of an uploaded file.
    max_video_seconds: length of a video.
    max_seconds: of time that an upload, and that a judgement may take.
    max_queue: videos that are uploaded, wait or are judged.
    max_memory: bytes that a judgement may take beside the model; on Linux.
    max_results: answers that are kept.
    max_kept_bytes: of the files of those answers.
    max_age: seconds that an answer is kept.
    max_idle_seconds: of an upload in which nothing comes.
  """

  max_bytes: int = 500 * 10**6
  max_video_seconds: float = 3600.0
  max_seconds: float = 600.0
  max_queue: int = 32
  max_memory: int = 4 * 2**30
  max_results: int = 100
  max_kept_bytes: int = 4 * 10**9
  max_age: float = 3600.0
  max_idle_seconds: float = 30.0
