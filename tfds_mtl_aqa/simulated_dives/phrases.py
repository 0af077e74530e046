"""The phrases of the commentary, in spoken style: lower case, no commas."""

OPENINGS = (
  'here we go then with',
  'next up we have',
  'so this is',
  'she talked about this one all week',
  'right so he is going for',
  'and now on the board it is time for',
  'up next the youngster from china with',
  'well this one has been good in training',
  'you can feel the tension in the hall now for',
  'the crowd goes quiet for',
  'okay third round and here comes',
  'a really important dive coming now',
  'back to the leader who has chosen',
  'the australian looks calm before',
  'the home favourite now with',
  'let us see how they handle',
)

HEIGHTS = {
  False: (
    'from the ten metre platform',
    'off the ten metre platform',
    'from the top of the ten metre tower',
    'up there on the ten metre',
  ),
  True: (
    'from the three metre springboard',
    'off the three metre springboard',
    'on the three metre springboard',
    'from the three metre board',
  ),
}

FLIGHTS = {
  0: (
    'lovely straight line in the air',
    'and watch the body stay long',
    'all of it in the free position',
  ),
  1: (
    'folded in half like a book',
    'nice and flat in that pike',
    'watch how tight the pike is',
  ),
  2: (
    'spinning fast in a tight little ball',
    'look at the speed of that rotation',
    'gets into the tuck very quickly',
  ),
}

# Phrases for each fault: where it is mild, and where it is bad.
FAULTS = {
  'entry_angle': (
    (
      'a bit of an angle going in',
      'not quite vertical on entry',
      'just leaning slightly at the water',
    ),
    (
      'oh that was nowhere near vertical',
      'a terrible angle on the entry there',
      'really crooked as the hands hit the water',
    ),
  ),
  'short': (
    (
      'just a touch short of rotation',
      'finished a little short',
    ),
    (
      'way short on that one',
      'ran out of time and came up very short',
    ),
  ),
  'over': (
    (
      'slightly over on the rotation',
      'legs just drifting over at the end',
    ),
    (
      'went well over past vertical',
      'far too much spin and the legs flip right over',
    ),
  ),
  'legs_apart': (
    (
      'the legs came apart a little',
      'feet not quite together up there',
    ),
    (
      'the legs were miles apart',
      'big split in the legs and that is expensive',
    ),
  ),
  'knee_bend': (
    (
      'a soft pair of knees there',
      'knees a bit loose',
    ),
    (
      'bent knees all the way down',
      'the knees were badly bent and everyone saw it',
    ),
  ),
  'splash': (
    (
      'a little bit of water coming up',
      'some splash to take care of',
    ),
    (
      'what a huge splash',
      'it emptied half the pool with that splash',
      'water everywhere',
    ),
  ),
  'far': (
    (
      'travelled out a fair way',
      'a bit of distance from the edge',
    ),
    (
      'jumped miles out from the edge',
      'so far out it almost landed in the next lane',
    ),
  ),
  'close': (
    (
      'quite close on the way past',
      'a bit tight to the edge',
    ),
    (
      'dangerously close on the way down',
      'my goodness the head just missed the edge',
    ),
  ),
}

# Praise for the absence of a fault.
PRAISE = {
  'entry_angle': (
    'absolutely vertical through the surface',
    'straight up and down',
  ),
  'rotation': ('perfectly timed come out', 'the kick out was spot on'),
  'legs_apart': ('ankles glued together', 'great toe point'),
  'knee_bend': ('legs beautifully straight', 'strong stretched legs'),
  'splash': (
    'what a rip entry',
    'hardly a bubble',
    'disappears like a knife into butter',
  ),
  'distance': ('perfect distance', 'nicely placed in front'),
}

# Phrases from the worst to the best dives.
VERDICTS = (
  (
    'oh dear that is a disaster',
    'i am afraid that one failed',
    'such a shame after all that work',
    'that will hurt in every way',
  ),
  (
    'not what the coach wanted',
    'the judges will punish that',
    'plenty to work on after that',
    'a costly mistake today',
  ),
  (
    'it will do but no more',
    'only a fair effort',
    'decent but there are better ones to come',
    'it keeps them in the contest',
  ),
  (
    'that was a good solid dive',
    'the judges should like it',
    'very pleased with that you would think',
    'well done indeed',
  ),
  (
    'simply outstanding',
    'that is world class diving',
    'brilliant and listen to the cheers',
    'you will not see many better than that',
    'superb from start to finish',
  ),
)
# Deserved awards at which the next verdict begins.
VERDICT_AWARDS = (4.0, 6.0, 7.3, 8.5)
