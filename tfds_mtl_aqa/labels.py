"""Names of MTL-AQA's classes, in the order of the released integer codes.

The order differs from that of the paper's Table 2. It was checked against the
dive numbers and the position letters of the raw annotations: rotation code 0,
for example, is FINA direction 2, backward.
"""

# FINA letters D, B, C.
POSITIONS = ('free', 'pike', 'tuck')
ARMSTANDS = ('no', 'yes')
# FINA directions 2, 1, 4, 3.
ROTATION_TYPES = ('backward', 'forward', 'inward', 'reverse')
# The released codes count half somersaults and half twists.
SOMERSAULTS = tuple(f'{half / 2:g}' for half in range(10))
TWISTS = tuple(f'{half / 2:g}' for half in range(8))

# The five classification tasks of the paper, with the class names of each.
CLASS_NAMES = {
  'position': POSITIONS,
  'armstand': ARMSTANDS,
  'rotation_type': ROTATION_TYPES,
  'somersaults': SOMERSAULTS,
  'twists': TWISTS,
}
# The stages of a dive that end within its clip, in order. A fifth is the rest.
STAGES = ('beginning', 'jump', 'drop', 'entry')
