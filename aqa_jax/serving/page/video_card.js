/** A video that was sent: how far it is, and then its dives. */

import {
  askJob, judgementAddress, Problem, removeJob, reportAddress, sendVideo,
  videoAddress,
} from './api.js';
import {diveAnswer, diveTitle} from './dive_answer.js';
import {copyOf} from './player.js';

const POLL_MS = 300;
const RETRY_MS = 2000;
const ENDED = ['done', 'failed'];

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const clock = (seconds) => `${seconds.toFixed(1)} s`;

/** Returns an answer in a line. */
function told({dives}) {
  if (dives.length === 1) return diveTitle(dives[0]);
  return dives.length ? `${dives.length} dives` : 'no dive was found';
}

export class VideoCard {
  /**
   * @param {string} name Of the file.
   * @param {Object} page scores, compare, say, and forget.
   */
  constructor(name, page) {
    this.name = name;
    this.job = null;
    this._page = page;
    this._abort = new AbortController();
    this.element = copyOf('video-template');
    this._part('h3').textContent = name;
    this._addAction('Remove', () => this.remove());
  }

  /** Sends the file, and again while the queue is full. */
  async send(file, options) {
    while (!this._abort.signal.aborted) {
      try {
        this._work('Uploading', 0);
        this.job = await sendVideo(
          file,
          options,
          (share) => this._work(
            `Uploading, ${Math.round(100 * share)} %`, share,
          ),
          this._abort.signal,
        );
        return;
      } catch (problem) {
        if (problem.code !== 'queue_full') throw problem;
        this._work('The queue is full; it is sent again in a while', null);
        await wait(RETRY_MS);
      }
    }
    throw new Problem('removed', 'Removed.');
  }

  /** Shows how far the video is, until it is done. */
  async follow(job) {
    this.job = job;
    while (!this._abort.signal.aborted) {
      this._show(this.job);
      if (ENDED.includes(this.job.state)) return;
      await wait(POLL_MS);
      if (this._abort.signal.aborted) return;
      this.job = await askJob(this.job.id);
    }
  }

  /** Shows why there is no answer. */
  fail(problem) {
    if (this._abort.signal.aborted) return;
    this._part('.work').hidden = true;
    const result = this._part('.result');
    const line = document.createElement('p');
    line.className = 'warning error';
    line.setAttribute('role', 'alert');
    line.textContent = problem.message;
    result.replaceChildren(line);
  }

  /** Deletes the video, here and at the server. */
  remove() {
    this._abort.abort();
    if (this.job) removeJob(this.job.id).catch(() => {});
    this._page.forget(this);
    this._page.say(`${this.name} was removed.`);
    this.element.remove();
  }

  _part(name) {
    return this.element.querySelector(name);
  }

  _addAction(text, action) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.setAttribute('aria-label', `${text} ${this.name}`);
    button.addEventListener('click', action);
    this._part('.actions').append(button);
  }

  /** Shows a line, and a bar: a share, or null where it is not known. */
  _work(text, share) {
    this._part('.state').textContent = text;
    const bar = this._part('progress');
    if (share === null) bar.removeAttribute('value');
    else bar.value = share;
  }

  _show(job) {
    const total = job.seconds_total;
    switch (job.state) {
      case 'queued':
        this._work(
          job.position ? `Waiting: ${job.position} before it`
            : 'Waiting: it is the next',
          null,
        );
        break;
      case 'judging':
        this._work(
          `Reading: ${clock(job.seconds_read)}`
            + (total ? ` of ${clock(total)}` : ''),
          total ? Math.min(job.seconds_read / total, 1) : null,
        );
        break;
      case 'copying':
        this._work(`${told(job)}. Its player is being made`, null);
        break;
      case 'failed':
        this.fail(new Problem(job.error.code, job.error.message));
        break;
      case 'done':
        this._showAnswer(job);
        break;
    }
  }

  _showAnswer(job) {
    const {dives} = job;
    this._part('.work').hidden = true;
    this._addFiles(job);
    const title = document.createElement('small');
    title.textContent = told(job);
    this._part('h3').append(' ', title);
    this._page.say(`${this.name}: ${told(job)}`);
    const result = this._part('.result');
    if (dives.length === 1) {
      result.replaceChildren(this._dive(job, 0));
      return;
    }
    dives.forEach((dive, number) => {
      // A player for each of many would be too much at once.
      const entry = document.createElement('details');
      const head = document.createElement('summary');
      head.textContent = `${number + 1}. ${diveTitle(dive)}`;
      entry.append(head);
      entry.addEventListener('toggle', () => {
        if (entry.open && entry.children.length === 1) {
          entry.append(this._dive(job, number));
        }
      });
      result.append(entry);
      entry.open = number === 0;
    });
  }

  _dive(job, number) {
    const video = job.video
      && {...job.video, address: videoAddress(job.id)};
    return diveAnswer(job, number, {
      video,
      missing: 'There is no video to play: copying it took too long.',
      scores: this._page.scores,
      compare: (button) => this._page.compare(
        {job, number, video, button, card: this},
      ),
    });
  }

  _addFiles(job) {
    const stem = job.name.replace(/\.[^.]*$/, '') || 'video';
    const actions = this._part('.actions');
    const remove = actions.firstElementChild;
    for (const [text, address, file] of [
      ['Open report', reportAddress(job.id), null],
      ['Save report', reportAddress(job.id), `${stem}_judged.html`],
      ['Save JSON', judgementAddress(job.id), `${stem}_judged.json`],
    ]) {
      const link = document.createElement('a');
      link.href = address;
      link.textContent = text;
      if (file) {
        link.download = file;
      } else {
        link.target = '_blank';
        link.rel = 'noopener';
      }
      actions.insertBefore(link, remove);
    }
  }
}
