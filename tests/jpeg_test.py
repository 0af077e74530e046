import io

import numpy as np
import PIL.Image

from tfds_mtl_aqa import jpeg


def test_another_library_reads_the_same_colours():
  image = np.zeros((16, 32, 3), np.uint8)
  image[:, :16] = (200, 40, 90)
  image[:, 16:] = (20, 160, 240)
  for data in (jpeg.encode(image, 95), jpeg.encode_bgr(image[..., ::-1], 95)):
    found = PIL.Image.open(io.BytesIO(data))
    # Half the resolution for colours.
    assert [layer[1:3] for layer in found.layer] == [(2, 2), (1, 1), (1, 1)]
    for half in (slice(0, 12), slice(20, 32)):  # The edge is smeared.
      np.testing.assert_allclose(
        np.asarray(found)[:, half], image[:, half], atol=4
      )


def test_quality_makes_the_file_larger():
  image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
  assert len(jpeg.encode(image, 50)) < len(jpeg.encode(image, 95))
