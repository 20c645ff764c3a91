import { counted } from '../counted.ts';
import type { Cell, ControlsResult, TimedCell } from '../records/controls.ts';
import { plain } from './plain.ts';
import { type Style, styleFor } from './style.ts';

/**
 * Returns the detection matrix for a terminal: one table for each kernel, then the unexpected cells, the changes of the lock order,
 * the times, and the conclusion. `dir` is the run directory, as shown to the user.
 */
export function describeControls(
  report: ControlsResult,
  options: { readonly colour: boolean; readonly dir: string },
): string {
  const style = styleFor(options.colour);
  const kernels = [...new Set(report.columns.map(({ kernel }) => kernel))];
  const cells = report.rows.flatMap((row) => row.cells);
  const odd = cells.filter(({ asExpected }) => !asExpected).length;
  const untried = report.columns.filter(({ because }) => because !== undefined).length;
  return [
    ...kernels.flatMap((kernel) => kernelTable(kernel, report, style)),
    ...oddLines(report, style),
    ...lockOrderLines(report, style),
    ...timeLines(report.times, style),
    '',
    report.asExpected
      ? `${style.strong('matrix')}   ${style.good('as expected')}: ${counted(cells.length, 'cell')}`
      : `${style.strong('matrix')}   ${style.bad('not as expected')}: ${odd} of ${cells.length} cells, ${untried} of ${report.columns.length} columns without a kernel`,
    `run      ${plain(options.dir)}`,
    '',
  ].join('\n');
}

function kernelTable(kernel: string, report: ControlsResult, style: Style): readonly string[] {
  const columns = report.columns.filter((column) => column.kernel === kernel);
  const release = columns.find((column) => column.release !== null)?.release ?? 'not built';
  const states = columns.map(({ annotations }) => annotations);
  const lines = report.rows.flatMap(({ id, name, cells }) => {
    const own = cells.filter((cell) => cell.kernel === kernel);
    return own.length === 0 ? [] : [ruleLine(id, name, style), ...cellLines(own, states, style)];
  });
  const head = [
    '    trigger'.padEnd(labelChars),
    ...states.map((state) => state.padEnd(cellChars)),
  ];
  return [
    '',
    `kernel   ${plain(kernel)} (${plain(release)})`,
    ...columns.flatMap(({ annotations, because }) =>
      because === undefined ? [] : [`${style.doubtful(annotations)}: ${plain(because)}`],
    ),
    '',
    style.faint(head.join('').trimEnd()),
    ...lines,
  ];
}

const labelChars = 46;
const cellChars = 15;

function ruleLine(id: number, name: string, style: Style): string {
  return `${String(id).padStart(2)}  ${style.strong(plain(name))}`;
}

/** One line for each way to break the rule, with its result in every state of the annotations. */
function cellLines(
  cells: readonly Cell[],
  states: readonly string[],
  style: Style,
): readonly string[] {
  return [...new Set(cells.map(cellLabel))].map((label) => {
    const shown = states.map((state) => {
      const found = cells.find((cell) => cell.annotations === state && cellLabel(cell) === label);
      return found === undefined ? ''.padEnd(cellChars) : shownCell(found, style);
    });
    const line = `    ${label}`.slice(0, labelChars - 1).padEnd(labelChars);
    return `${line}${shown.join('')}`.trimEnd();
  });
}

/**
 * Returns the name of a cell of the detection matrix: how the rule is broken, and what triggers the break. An example
 * is `refuse 25 times, hlist oom-memcg`.
 */
export function cellLabel({ mode, notifier, trigger, refusals }: Cell): string {
  const often = refusals === undefined ? '' : refusals > 1000 ? ' always' : ` ${refusals} times`;
  return `${mode}${often}, ${notifier} ${trigger}`;
}

function shownCell(cell: Cell, style: Style): string {
  const time =
    cell.detectMs === undefined || cell.result !== 'caught'
      ? ''
      : ` ${(cell.detectMs / 1000).toFixed(1)} s`;
  const text = `${cell.asExpected ? '' : '!'}${cell.result}${time}`.padEnd(cellChars);
  if (!cell.asExpected) return style.bad(text);
  return cell.result === 'missed' ? style.doubtful(text) : style.good(text);
}

function oddLines({ rows }: ControlsResult, style: Style): readonly string[] {
  const lines = rows.flatMap(({ id, cells }) =>
    cells
      .filter(({ asExpected }) => !asExpected)
      .flatMap((cell) => [
        `${style.bad(`row ${id}`)} on ${plain(cell.kernel)}, ${cell.annotations}, ${cellLabel(cell)}: ${cell.result}, expected ${cell.expected}`,
        ...cell.splats.map((title) => `  splat  ${plain(title)}`),
        ...(cell.because === undefined ? [] : [`  ${plain(cell.because)}`]),
        ...(cell.trial === undefined ? [] : [`  trial  ${plain(cell.trial)}`]),
      ]),
  );
  return lines.length === 0 ? [] : ['', ...lines];
}

/**
 * Lines about the lock order. First come, for cells without a splat, the cycles that are in lockdep's tables but that lockdep could
 * not find. Then come, for each state of the annotations, the dependencies that the state `in` does not have (`+`) and the
 * dependencies that only the state `in` has (`-`).
 */
function lockOrderLines({ columns, rows }: ControlsResult, style: Style): readonly string[] {
  const unseen = rows.flatMap(({ id, cells }) =>
    cells.flatMap((cell) => {
      // After a splat the lock tables say nothing more.
      const [cycle] = cell.result === 'caught' ? [] : (cell.unreportedCycles ?? []);
      return cycle === undefined
        ? []
        : [
            `row ${id} on ${plain(cell.kernel)}, ${cell.annotations}, ${cellLabel(cell)}: ${cell.result}`,
            `  ${plain([...cycle, cycle[0]].join(' -> '))}`,
          ];
    }),
  );
  const changed = columns.flatMap(({ kernel, annotations, locks }) => {
    const lines = [
      ...(locks?.learned ?? []).map(({ from, to }) => `  + ${plain(`${from} -> ${to}`)}`),
      ...(locks?.lost ?? []).map(({ from, to }) => `  - ${plain(`${from} -> ${to}`)}`),
    ];
    return lines.length === 0 ? [] : [`${plain(kernel)} ${annotations}`, ...lines];
  });
  return [
    ...(unseen.length === 0
      ? []
      : ['', style.faint('cycles that lockdep has in its tables, and did not report'), ...unseen]),
    ...(changed.length === 0
      ? []
      : ['', style.faint('lock order, compared with state in'), ...changed]),
  ];
}

function timeLines(times: readonly TimedCell[], style: Style): readonly string[] {
  if (times.length === 0) return [];
  const head = `${'time to detect'.padEnd(labelChars)}${'annotations'.padEnd(cellChars)}${'detected'.padEnd(cellChars)}median (95 %)`;
  const lines = times.map((one) => {
    const label = `${String(one.row).padStart(2)}  ${one.kernel} ${one.mode} ${one.notifier}`;
    const detected = `${one.detected} of ${one.forks}`;
    const median =
      one.medianMs === null
        ? `> ${one.capMs / 1000} s`
        : `${shownMs(one.medianMs)} (${shownMs(one.lowMs)} to ${shownMs(one.highMs)})`;
    return `${plain(label)
      .slice(0, labelChars - 1)
      .padEnd(
        labelChars,
      )}${one.annotations.padEnd(cellChars)}${detected.padEnd(cellChars)}${median}`;
  });
  return ['', style.faint(head), ...lines];
}

function shownMs(ms: number | null): string {
  return ms === null ? '?' : `${(ms / 1000).toFixed(2)} s`;
}
