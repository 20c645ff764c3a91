import type { NightCell, NightRecord } from '../records/night.ts';
import { cellTitle, itemDetails, nightLists } from './night-words.ts';
import { escapeXml } from './xml.ts';

/**
 * Returns a night as JUnit XML, with one test for each cell (one combination of kernel, guest and workload). A cell of the class
 * `new`, `back`, `broken` or `disappeared` (the cell has no result) is a failure. A cell of the class `infrastructure` (the host or
 * the harness failed) or `inconclusive` (the trials prove nothing) is an error. A cell of the class `notThere` (the workload cannot
 * run on this kernel) or `notRun` (the budget left no time) is skipped. A cell of any other class passes.
 */
export function formatNightJunit(night: NightRecord): string {
  const cases = night.cells.map((cell) => cellCase(cell, night));
  const count = (element: string): number =>
    cases.filter((xml) => xml.includes(`<${element} `)).length;
  const seconds = night.cells.reduce((sum, { durationMs }) => sum + durationMs / 1000, 0);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites><testsuite name="splat nightly" tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}" time="${seconds.toFixed(3)}" timestamp="${night.night.replace('Z', '')}">`,
    ...cases,
    '</testsuite></testsuites>',
    '',
  ].join('\n');
}

const elements: Readonly<Partial<Record<NightCell['class'], 'failure' | 'error' | 'skipped'>>> = {
  new: 'failure',
  back: 'failure',
  broken: 'failure',
  disappeared: 'failure',
  infrastructure: 'error',
  inconclusive: 'error',
  notThere: 'skipped',
  notRun: 'skipped',
};

function cellCase(cell: NightCell, night: NightRecord): string {
  const name = escapeXml(cellTitle(night, cell.id));
  const head = `<testcase classname="splat" name="${name}" time="${(cell.durationMs / 1000).toFixed(3)}">`;
  const element = elements[cell.class];
  if (element === undefined) return `${head}</testcase>`;
  const items = nightLists
    .filter(([list]) => list === cell.class)
    .flatMap(([list]) => night[list])
    .filter((item) => item.cell === cell.id);
  const titles = items.flatMap(({ title }) => title ?? []);
  const message = [cell.class, ...titles, ...(titles.length > 0 ? [] : [cell.because ?? ''])];
  const body = items.flatMap((item) => itemDetails(item, night)).join('\n');
  return `${head}<${element} message="${escapeXml(message.join(': '))}">${escapeXml(body)}</${element}></testcase>`;
}
