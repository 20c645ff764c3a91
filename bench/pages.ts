import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rowsFile } from '../harness/commands/nights-index.ts';
import { reportNight } from '../harness/commands/report-night.ts';
import { cellId } from '../harness/night/cells.ts';
import type { NightRecord } from '../harness/records/night.ts';
import type { NightRow } from '../harness/records/night-row.ts';
import { aFullNight } from '../test/made-night.ts';

/**
 * How many seconds the pages take when a night of 200 cells is added to 10,000 others, of which those of the last month are as
 * large. For comparison, on the same host in the same minute: the page of that night when there is no other night.
 */
const [nights, cells, month] = [10_000, 200, 30];

const full = aFullNight();
const dir = mkdtempSync(join(tmpdir(), 'splat-nights-'));
try {
  const rows: NightRow[] = [];
  for (let at = 0; at < nights; at += 1) {
    const folder = `n${at}`;
    mkdirSync(join(dir, folder));
    const night = nightAt(at);
    if (at >= nights - month) writeFileSync(join(dir, folder, 'night.json'), JSON.stringify(night));
    const { endedAt, exitCode } = night;
    const classes = { new: 1, clean: cells - 1 };
    const told = { verdict: 'splat', because: '1 new', exitCode, cells, classes, kept: true };
    rows.push({ folder, night: night.night, endedAt, ...told });
  }
  writeFileSync(join(dir, rowsFile), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  for (const [what, parent, number] of [
    ['a night alone', join(dir, 'alone'), 0],
    ['all pages', dir, nights],
    ['one more night', dir, nights + 1],
    ['a night alone', join(dir, 'alone'), 1],
    ['one more night', dir, nights + 2],
  ] as const) {
    const folder = join(parent, `n${number}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'night.json'), JSON.stringify(nightAt(nights + number)));
    const startedAt = performance.now();
    const cpu = process.cpuUsage();
    await reportNight(folder, dir);
    const { user, system } = process.cpuUsage(cpu);
    const wall = ((performance.now() - startedAt) / 1000).toFixed(2);
    console.log(`${what}: ${wall} s, ${((user + system) / 1e6).toFixed(2)} s of CPU`);
  }
} finally {
  rmSync(dir, { recursive: true });
}

function nightAt(at: number): NightRecord {
  const [first] = full.cells;
  if (first === undefined) throw new Error('a night without cells');
  const more = Array.from({ length: cells - full.cells.length }, (_, index) => {
    const cell = { ...first, class: 'clean' as const, workload: `w${index}`, splats: [] };
    return { ...cell, id: cellId(cell) };
  });
  const night = new Date(Date.UTC(2000, 0, 1 + at)).toISOString().replace('.000', '');
  return { ...full, night, endedAt: night.replace('T00', 'T04'), cells: [...full.cells, ...more] };
}
