/** The server's answers: see docs/serve.md. */

/** Why there is no answer: a line for people, and a word for programs. */
export class Problem extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const GONE = 'The server does not answer; is it still running?';

function problemOf(content, status) {
  const error = content?.error;
  return new Problem(
    error?.code ?? 'no_answer',
    error?.message ?? `${GONE} (${status})`,
    status,
  );
}

async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Problem('no_answer', GONE);
  }
  const text = await response.text();
  let content = null;
  try {
    content = text ? JSON.parse(text) : null;
  } catch {
    // Not from this server: the status says what there is to say.
  }
  if (!response.ok) throw problemOf(content, response.status);
  return content;
}

export const askModel = () => ask('api/model');
export const askJob = (id) => ask(`api/jobs/${id}`);
export const askDive = (id, number) => ask(`api/jobs/${id}/dives/${number}`);
export const removeJob = (id) => ask(`api/jobs/${id}`, {method: 'DELETE'});
export const videoAddress = (id) => `api/jobs/${id}/video`;
export const judgementAddress = (id) => `api/jobs/${id}/judgement.json`;
export const reportAddress = (id) => `api/jobs/${id}/report.html`;

/**
 * Sends a video.
 * @param {File} file The video.
 * @param {Object<string, string>} options Of the judgement.
 * @param {function(number)} progress Called with the share that is sent.
 * @param {AbortSignal} signal Ends it.
 * @return {Promise<Object>} The job.
 */
export function sendVideo(file, options, progress, signal) {
  const query = new URLSearchParams({...options, name: file.name});
  // fetch() does not tell how much it has sent.
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.open('POST', `api/jobs?${query}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.responseType = 'json';
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status === 202) resolve(request.response);
      else reject(problemOf(request.response, request.status));
    };
    request.onerror = () => reject(new Problem('no_answer', GONE));
    request.onabort = () => reject(new Problem('removed', 'Removed.'));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
