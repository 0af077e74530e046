/** A video with the importance of its frames under it. */

const FRACTION_INTO_FRAME = 0.25;

/** Returns a copy of a template of the page. */
export function copyOf(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** The median of the intervals between frames, s. */
function intervalOf(seconds) {
  const intervals = seconds
    .slice(1)
    .map((time, index) => time - seconds[index])
    .filter((interval) => interval > 0)
    .sort((a, b) => a - b);
  return intervals[intervals.length >> 1] ?? 0.04;
}

export class Player {
  /**
   * @param {Object} dive A judgement.
   * @param {?Object} video address and offset_seconds, if there is one.
   * @param {string} missing What is told where there is none.
   */
  constructor(dive, video, missing) {
    this.seconds = dive.frame_seconds;
    this.interval = intervalOf(this.seconds);
    this.offset = video?.offset_seconds ?? 0;
    this.element = copyOf('player-template');
    this.video = this.element.querySelector('video');
    this._note = this.element.querySelector('.no-video');
    this._stopsAtEnd = false;
    this._bars = [];
    this._drawBars(dive);
    this._wire();
    // Of what is no dive no frame was judged.
    const isJudged = this.seconds.length > 0;
    this.element.querySelector('.controls').hidden = !isJudged;
    if (video) this._load(video);
    else this._lack(missing);
  }

  /** The place of the frame that the player shows, -1 outside of the dive. */
  get place() {
    const time = this.video.currentTime - this.offset + 1e-3;
    const {seconds} = this;
    if (time > seconds.at(-1) + 1.5 * this.interval) return -1;
    return seconds.findLastIndex((each) => each <= time);
  }

  /** Shows a moment, in seconds of the judgement. */
  seek(seconds) {
    if (!Number.isFinite(seconds)) return; // No frame was judged.
    // A little into the frame, or rounding may show the one before.
    const into = Math.min(FRACTION_INTO_FRAME * this.interval, 0.01);
    this.video.currentTime = Math.max(this.offset + seconds + into, 0);
    this._mark();
  }

  /** Shows a frame of the dive. */
  show(place) {
    const last = this.seconds.length - 1;
    this.video.pause();
    this.seek(this.seconds[Math.min(Math.max(place, 0), last)]);
  }

  /** Plays the dive from its first frame, or another moment, to its last. */
  playDive(from = this.seconds[0]) {
    this.seek(Math.max(from, 0));
    this._stopsAtEnd = true;
    return this.video.play().catch((error) => {
      // A pause before the first picture is what somebody asked for.
      if (error.name !== 'AbortError') throw error;
    });
  }

  /** Adds pictures of the dive, which lead to their moments. */
  addPictures(pictures) {
    const row = this.element.querySelector('.pictures');
    for (const {picture, frame_number: number, seconds} of pictures) {
      const button = document.createElement('button');
      button.type = 'button';
      button.tabIndex = -1; // The bars lead there, too.
      button.title = `frame ${number}, ${seconds.toFixed(2)} s`;
      const image = document.createElement('img');
      image.src = picture;
      image.alt = `frame ${number}`;
      button.append(image);
      button.addEventListener('click', () => {
        this.video.pause();
        this.seek(seconds);
      });
      row.append(button);
    }
  }

  _load(video) {
    const {video: element} = this;
    element.src = video.address;
    element.addEventListener('loadedmetadata', () => {
      this.seek(this.seconds[0]);
    });
    element.addEventListener('error', () => {
      this._lack('This browser cannot play the video; its answer holds.');
    });
  }

  _lack(text) {
    this.video.hidden = true;
    this.element.querySelector('.controls').hidden = true;
    this._note.textContent = text;
  }

  _wire() {
    const {video, element} = this;
    const on = (name, action) => {
      element.querySelector(name).addEventListener('click', action);
    };
    on('.play', () => this.playDive());
    on('.back', () => this.show(this.place - 1));
    on('.forward', () => this.show(this.place + 1));
    element.querySelector('.rate').addEventListener('change', (event) => {
      video.playbackRate = Number(event.target.value);
    });
    for (const name of ['timeupdate', 'seeking', 'seeked', 'pause']) {
      video.addEventListener(name, () => this._mark());
    }
    video.addEventListener('play', () => this._follow());
    video.addEventListener('pause', () => {
      this._stopsAtEnd = false;
    });
  }

  /** Marks the bars while the video plays. */
  _follow() {
    if (this.video.paused || this.video.ended) return;
    const end = this.offset + this.seconds.at(-1) + 0.5 * this.interval;
    if (this._stopsAtEnd && this.video.currentTime >= end) {
      this.show(this.seconds.length - 1);
      return;
    }
    this._mark();
    requestAnimationFrame(() => this._follow());
  }

  _mark() {
    const {place} = this;
    if (place === this._marked) return;
    this._bars[this._marked]?.removeAttribute('aria-current');
    this._bars[place]?.setAttribute('aria-current', 'time');
    this._marked = place;
  }

  _drawBars(dive) {
    const {importance, frame_numbers: numbers} = dive;
    const group = this.element.querySelector('.bars');
    const note = this.element.querySelector('.scale');
    if (!importance) {
      group.hidden = true;
      return;
    }
    const largest = Math.max(...importance.map(Math.abs)) || 1;
    group.setAttribute(
      'aria-label',
      'What each frame adds to the score. Arrow keys move, Enter shows the '
      + 'frame.',
    );
    importance.forEach((points, index) => {
      const bar = document.createElement('button');
      bar.type = 'button';
      bar.tabIndex = index ? -1 : 0;
      bar.className = points < 0 ? 'minus' : 'plus';
      const sign = points < 0 ? '−' : '+';
      const text = `frame ${numbers[index]}, `
        + `${this.seconds[index].toFixed(2)} s: `
        + `${sign}${Math.abs(points).toFixed(2)} points`;
      bar.setAttribute('aria-label', text);
      bar.title = text;
      bar.style.setProperty('--size', Math.abs(points) / largest);
      bar.addEventListener('click', () => {
        this._focus(index);
        this.show(index);
      });
      group.append(bar);
      this._bars.push(bar);
    });
    group.addEventListener('keydown', (event) => this._onKey(event));
    note.append(
      'Each bar is a frame: what it adds to the score (',
      coloured('plus', 'up'),
      ') or takes from it (',
      coloured('minus', 'down'),
      `). The longest is ${largest.toFixed(2)} points. A click goes there.`,
    );
  }

  _onKey(event) {
    const focused = this._bars.indexOf(document.activeElement);
    const places = {
      ArrowLeft: focused - 1,
      ArrowRight: focused + 1,
      Home: 0,
      End: this._bars.length - 1,
    };
    if (focused < 0 || !(event.key in places)) return;
    event.preventDefault();
    this._focus(places[event.key]);
  }

  /** Moves the one stop of the tab key among the bars. */
  _focus(place) {
    const bar = this._bars[place];
    if (!bar) return;
    for (const each of this._bars) each.tabIndex = -1;
    bar.tabIndex = 0;
    bar.focus();
  }
}

function coloured(name, text) {
  const element = document.createElement('span');
  element.className = name;
  element.textContent = text;
  return element;
}
