import { counted } from '../counted.ts';
import type { HarnessEvent } from '../records/event.ts';
import { inconclusive, verdictPhrase } from '../verdict.ts';
import { plain } from './plain.ts';
import { percent } from './series-words.ts';

const notRunPhrase = verdictPhrase(inconclusive('not-run', ''));

/**
 * Returns a function that writes the events of a run to the stream. A note, the end of a stage and the state of a series get a line
 * each. On a terminal (`live`), one status line shows all other events and is redrawn. In a log, three more events get a line: the
 * start of a stage, a stage's progress every 30 seconds, and the end of a trial, with the trial's splat.
 */
export function progressWriter(
  stream: { write: (text: string) => unknown },
  live: boolean,
): (event: HarnessEvent) => void {
  const clear = live ? '\r\u001B[K' : '';
  let startedAtMs = performance.now();
  let lastProgressAtMs = 0;
  const running = new Set<string>();
  let finished = 0;
  let total = 0;
  const line = (text: string): void => void stream.write(`${clear}${plain(text)}\n`);
  const status = (text: string): void => {
    if (live) stream.write(`${clear}${plain(text)}`);
  };
  const trialStatus = (): void => {
    const now = running.size === 0 ? '' : `, now ${[...running].join(', ')}`;
    status(`trials: ${finished} of ${total}${now}`);
  };
  return (event) => {
    switch (event.kind) {
      case 'note':
        return line(event.text);
      case 'stage-start':
        startedAtMs = performance.now();
        if (event.stage === 'trials') finished = 0;
        return live ? status(`${event.text} ...`) : line(`${event.text} ...`);
      case 'stage-progress': {
        const now = performance.now();
        // A log file gets a progress line every 30 seconds, for CI servers that end a job without output.
        const everyMs = live ? 100 : 30_000;
        if (now - lastProgressAtMs < everyMs) return;
        lastProgressAtMs = now;
        const text = `${event.stage}: ${countPhrase(event, now - startedAtMs)}`;
        return live ? status(text) : line(text);
      }
      case 'stage-end':
        return line(`${ending(event, finished, total)} ${seconds(event.durationMs)}`);
      case 'trial-start':
        total = event.total;
        running.add(event.id);
        return trialStatus();
      case 'trial-end':
        running.delete(event.id);
        finished += 1;
        if (!live) line(`${event.id}: ${trialWords(event.phrase)} ${seconds(event.durationMs)}`);
        return trialStatus();
      case 'so-far':
        return line(soFarWords(event));
      case 'splat':
        return status(`${event.trial}: ${event.title}`);
    }
  };
}

/** The verdict of a trial in the words of the table of trials. */
function trialWords(phrase: string): string {
  return phrase === notRunPhrase ? 'not run' : phrase;
}

function ending(
  { stage, text, failed, interrupted = false }: Extract<HarnessEvent, { kind: 'stage-end' }>,
  finished: number,
  total: number,
): string {
  if (failed) return `${text}: failed`;
  if (!interrupted) return text;
  if (stage !== 'trials') return `${text}: interrupted`;
  return `interrupted after ${finished} of ${counted(total, 'trial')}`;
}

function seconds(ms: number): string {
  return `(${(ms / 1000).toFixed(1)} s)`;
}

/** The progress of a stage: `412 of about 1153 objects, 6 min left`. Only the count when the total is not known. */
function countPhrase(
  { done, total, unit }: Extract<HarnessEvent, { kind: 'stage-progress' }>,
  elapsedMs: number,
): string {
  if (total === undefined) return `${done} ${unit}`;
  const leftMin = ((elapsedMs / Math.max(done, 1)) * Math.max(total - done, 0)) / 60_000;
  const left = done < 20 ? '' : `, ${leftMin < 1 ? 'less than 1' : Math.round(leftMin)} min left`;
  return `${done} of about ${Math.max(total, done)} ${unit}${left}`;
}

/**
 * The state of a series so far: `so far, after 71 trials: patch 3 introduces; a splat in more than 78 % ... ; 96 trials left, about
 * 3 min`.
 */
function soFarWords(event: Extract<HarnessEvent, { kind: 'so-far' }>): string {
  const { patches, trials, seenAbove, left, leftMs } = event;
  const told = patches
    .filter(({ verdict }) => verdict !== 'unaffected')
    .map(({ index, verdict }) => `patch ${index} ${verdict}`);
  const words = told.length === 0 ? 'no patch changes anything' : told.join(', ');
  const bound =
    seenAbove === null
      ? ''
      : `; a splat in more than ${percent(seenAbove)} of trials of a prefix would have been seen`;
  const time =
    leftMs === undefined || left === 0 ? '' : `, about ${Math.ceil(leftMs / 60_000)} min`;
  return `so far, after ${counted(trials, 'trial')}: ${words}${bound}; ${counted(left, 'trial')} left${time}`;
}
