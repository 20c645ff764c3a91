import { counted } from '../../counted.ts';
import type { SeenSplat } from '../../records/finding.ts';
import type { TrialResult } from '../../records/trial.ts';
import { type Verdict, verdictPhrase } from '../../verdict.ts';
import { seconds } from '../run-words.ts';
import { consoleLink, folderLink } from './console-link.ts';
import { consolePageName } from './console-page.ts';
import { commandCode } from './facts.ts';
import { type Content, html, type Markup } from './markup.ts';
import { missing, tone } from './words.ts';

/** The facts about the page that the details of a trial need. */
interface DetailsPage {
  /** Returns the command that repeats one trial. */
  readonly reproduce: (trial: string) => string;
  /** PNGs of the virtual screen, by trial. */
  readonly pictures: ReadonlyMap<string, Uint8Array>;
  /** The folders of each trial below `trials`. The first folder belongs to the try that decided the trial's verdict. */
  readonly folders: ReadonlyMap<string, readonly string[]>;
  /** The number of lines of each console that has pages, by its folder below `trials`. */
  readonly consoles: ReadonlyMap<string, number>;
  /** True when the page is in the run directory, so that it can link to the run's files. */
  readonly beside: boolean;
}

/** Returns the details of one trial. The details of a clean trial are folded; a link to `#trial-AT` unfolds them. */
export function trialDetails(trial: TrialResult, at: number, page: DetailsPage): Markup {
  const { id, verdict, seed, timings, events } = trial;
  const picture = page.pictures.get(id);
  const times = [
    ['started', timings.startMs],
    ['first splat', timings.firstSplatMs],
    ['workload', timings.workloadMs],
  ] as const;
  const known = times.flatMap(([name, ms]) => (ms === null ? [] : [`${name} ${seconds(ms)}`]));
  const open = verdict.kind === 'clean' ? html`<details>` : html`<details open>`;
  return html`${open}
<summary><span class="id">${id}</span> <span class="verdict ${tone(verdict)}">${verdictPhrase(verdict)}</span></summary>
<p id="trial-${at}">seed ${seed}; ${known.join(', ')}${known.length === 0 ? '' : '; '}QEMU used ${timings.qemuCpuSeconds.toFixed(1)} s of CPU; again: ${commandCode(page.reproduce(id))}</p>
${page.beside ? fileLinks(page.folders.get(id) ?? [], page.consoles) : null}${reasonOf(verdict)}
${subtestTable(trial)}<div class="columns">${counterTable(trial)}${ledgerTable(trial)}</div>
${splatDetails(trial, page)}${events.length === 0 ? null : html`<p>besides: ${events.map(({ title, count }) => `${title} (${count})`).join(', ')}</p>`}
${picture === undefined ? null : html`<p><img src="data:image/png;base64,${Buffer.from(picture).toString('base64')}" alt="The virtual screen of ${id}"></p>`}
</details>
`;
}

function fileLinks(folders: readonly string[], consoles: ReadonlyMap<string, number>): Content {
  return folders.map((name) => {
    const folder = folderLink(name);
    const lines = consoles.get(name);
    const console =
      lines === undefined
        ? null
        : html` <a href="${folder}/${consolePageName(1)}">console, ${counted(lines, 'line')}</a>`;
    const files = ['console.log', 'output.log'].map(
      (file) => html` <a href="${folder}/${file}">${file}</a>`,
    );
    return html`<p>${name}:${console}${files}</p>
`;
  });
}

function reasonOf(verdict: Verdict): Content {
  return 'message' in verdict ? html`<p>${verdict.message}</p>` : null;
}

/** The splats of a trial. Only the report of a canary's splat is printed here, because the others are printed above. */
function splatDetails({ id, canary, verdict, splats }: TrialResult, page: DetailsPage): Content {
  if (splats.length === 0) return null;
  const linked = ({ title, line }: SeenSplat): Content =>
    consoleLink(page, id, line, title) ?? title;
  if (canary === undefined || verdict.kind === 'splat') {
    return html`<ul>${splats.map((splat) => html`<li>${linked(splat)}${splat.count > 1 ? ` (${splat.count} times)` : ''}</li>`)}</ul>`;
  }
  return splats.map(
    (splat) => html`<p>${verdict.kind === 'clean' ? 'as seeded' : 'printed'}: ${linked(splat)}</p>
<pre tabindex="0">${splat.text.join('\n')}</pre>
`,
  );
}

function subtestTable({ subtests = [] }: TrialResult): Content {
  if (subtests.length === 0) return null;
  const rows = subtests.map(({ name, result, expected }) => {
    const tint =
      result === 'pass' || result === 'skip' ? 'clean' : expected === undefined ? 'splat' : '';
    return html`<tr><th scope="row" class="id">${name}</th><td class="verdict ${tint}">${result}</td><td>${expected ?? ''}</td></tr>
`;
  });
  return html`<details>
<summary>${subtests.length} subtests</summary>
<div class="wide" tabindex="0"><table>
<thead><tr><th scope="col">subtest</th><th scope="col">result</th><th scope="col">expected</th></tr></thead>
<tbody>
${rows}</tbody>
</table></div>
</details>
`;
}

function counterTable({ witnesses, counters }: TrialResult): Content {
  const required = Object.entries(witnesses);
  const others = Object.entries(counters).filter(
    ([name, count]) => count > 0 && !Object.hasOwn(witnesses, name),
  );
  if (required.length + others.length === 0) return null;
  return html`<table>
<thead><tr><th scope="col">counter</th><th scope="col" class="number">count</th><th scope="col">note</th></tr></thead>
<tbody>
${required.map(([name, count]) => counterRow(name, missing(count, html`${count}`), 'required'))}${others.map(([name, count]) => counterRow(name, count, ''))}</tbody>
</table>`;
}

function counterRow(name: string, count: Content, note: string): Markup {
  return html`<tr><th scope="row" class="id">${name}</th><td class="number">${count}</td><td>${note}</td></tr>
`;
}

function ledgerTable({ ledger }: TrialResult): Markup {
  const { before, after, warnOnceArmed, lostConsoleLines } = ledger;
  const tables = Object.entries(before.tables).map(([name, { used, max }]) => {
    const then = after?.tables[name];
    return ledgerRow(
      name,
      used,
      then === undefined ? '?' : fullness(name, then.used, then.max || max),
    );
  });
  return html`<table>
<thead><tr><th scope="col">detectors</th><th scope="col" class="number">before</th><th scope="col" class="number">after</th></tr></thead>
<tbody>
${ledgerRow('debug_locks', before.debugLocks ?? '?', after?.debugLocks ?? '?')}${ledgerRow('taint', hex(before.taint), hex(after?.taint ?? null))}${ledgerRow('WARN_ONCE armed', warnOnceArmed ? 'yes' : 'no', '')}${ledgerRow('lines lost by the console', '', lostConsoleLines ?? '?')}${tables}</tbody>
</table>`;
}

function ledgerRow(name: string, before: Content, after: Content): Markup {
  return html`<tr><th scope="row">${name}</th><td class="number">${before}</td><td class="number">${after}</td></tr>
`;
}

function fullness(name: string, used: number, max: number): Markup {
  return html`${used} of ${max} <meter aria-label="use of ${name}" min="0" max="${max}" high="${max * 0.9}" value="${used}"></meter>`;
}

function hex(taint: number | null): string {
  return taint === null ? '?' : `0x${taint.toString(16)}`;
}
