import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Emit } from '../events.ts';
import type { StampedEvent } from '../records/event.ts';

/** The events of one run. Events are shown at once and stored in the run's folder. */
export interface RunEvents {
  /** The id that each event carries. */
  readonly runId: string;
  readonly emit: Emit;
  /** Writes the events so far, and from now on each new event, to events.jsonl of the folder. An existing file is continued. */
  readonly keepIn: (dir: string) => void;
  /**
   * Returns the reasons why events are missing in the file, for example "events.jsonl: no space left", or an empty list when no
   * event is missing. The run continues without the missing events.
   */
  readonly failures: () => readonly string[];
}

export const eventsFile = 'events.jsonl';

export function openEvents(report: (event: StampedEvent) => void): RunEvents {
  const runId = randomUUID();
  const early: string[] = [];
  let file: string | undefined;
  const failures: string[] = [];
  const write = (lines: readonly string[]): void => {
    if (file === undefined) early.push(...lines);
    else if (failures.length === 0 && lines.length > 0) {
      try {
        // Each event is written at once, because the last event of a killed run says most.
        appendFileSync(file, lines.join(''));
      } catch (error) {
        failures.push(`${eventsFile}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  return {
    runId,
    emit: (event) => {
      const stamped = { runId, atMs: Date.now(), ...event };
      report(stamped);
      write([`${JSON.stringify(stamped)}\n`]);
    },
    keepIn: (dir) => {
      file = join(dir, eventsFile);
      write(early.splice(0));
    },
    failures: () => failures,
  };
}
