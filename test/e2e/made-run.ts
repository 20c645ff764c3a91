import { mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding, SeenSplat } from '../../harness/records/finding.ts';
import { scanLog } from '../../harness/splat/scanner.ts';
import { readGolden } from '../golden-log.ts';
import { aRunRecord, aRunResult, aTrialResult } from '../made-records.ts';

/** Lines with which a guest may attack a reader's terminal or browser. */
export const hostileLines = [
  '</span></pre></main><script>document.title="owned"</script>',
  '<img src=x onerror="document.title=1"><svg onload=alert(1)>',
  '\u001B]0;owned\u0007\u001B[2J\u202Egnp.exe \uD800',
  '<style>*{display:none}</style>&lt;b&gt;',
];

const bigBytes = 50_000_000;
const bigLine =
  '[   12.247579][   T55] RAX: 0000000000000001 RBX: 0000000000000000 RCX: 0000000000000000\n';

/**
 * Writes a run directory with reports of our own kernels, a console of 50 MB that ends with a report, and a console and names that
 * are attacks.
 */
export function writeMadeRun(dir: string): void {
  const { log } = readGolden('deadlock-interval-notifier-and-reclaim.log');
  const short = Buffer.from(log, 'latin1');
  const hostile = Buffer.concat([
    Buffer.from(`${hostileLines.join('\n')}\n`),
    Buffer.from([0xff, 0xc3, 0x28, 0x9b, 0x0a]),
    Buffer.alloc(10_000_000, 'x'),
    Buffer.from('\n'),
    short,
  ]);
  const filler = bigLine.repeat(Math.ceil(bigBytes / bigLine.length));
  const [bigSplat] = splatsOf(short);
  if (bigSplat === undefined) throw new Error('the golden log has no splat');
  const before = filler.length / bigLine.length;
  const consoles: Readonly<Record<string, readonly [Buffer, readonly SeenSplat[]]>> = {
    'hmm-interval': [short, splatsOf(short)],
    'munmap.2': [hostile, splatsOf(hostile)],
    reclaim: [
      Buffer.concat([Buffer.from(filler), short]),
      [{ ...bigSplat, line: bigSplat.line + before, endLine: bigSplat.endLine + before }],
    ],
  };
  const trials = Object.entries(consoles).map(([id, [bytes, splats]]) => {
    mkdirSync(join(dir, 'trials', id), { recursive: true });
    writeWholly(join(dir, 'trials', id, 'console.log'), bytes);
    writeFileSync(join(dir, 'trials', id, 'output.log'), 'start\n');
    const titles = splats.map(({ title }) => title);
    return aTrialResult({ id, workload: id, verdict: { kind: 'splat', titles }, splats });
  });
  const [evil = ''] = hostileLines;
  const titles = [...new Set(trials.flatMap(({ splats }) => splats.map(({ title }) => title)))];
  const blind = { kind: 'inconclusive', because: 'blind', message: evil } as const;
  const result = aRunResult({
    verdict: { kind: 'splat', titles },
    trials: [
      ...trials,
      aTrialResult({ id: 'kvm', workload: 'kvm' }),
      aTrialResult({ id: 'blind', workload: evil, verdict: blind, counters: { [evil]: 1 } }),
    ],
  });
  writeFileSync(join(dir, 'run.json'), JSON.stringify(aRunRecord()));
  writeFileSync(join(dir, 'result.json'), JSON.stringify(result));
}

function splatsOf(bytes: Buffer): readonly SeenSplat[] {
  return scanLog(bytes)
    .filter(({ kind }) => kind === 'splat')
    .map(({ evidence: _evidence, ...finding }: Finding) => ({ ...finding, count: 1 }));
}

function writeWholly(file: string, bytes: Buffer): void {
  const to = openSync(file, 'w');
  for (let at = 0; at < bytes.length; ) at += writeSync(to, bytes, at);
}
