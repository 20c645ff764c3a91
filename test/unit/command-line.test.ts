import t from 'tap';
import makeYargs, { type Argv } from 'yargs';
import * as bisect from '../../harness/commands/bisect.ts';
import * as cache from '../../harness/commands/cache.ts';
import { checkCommandLine, keepTyped, wantsHelp } from '../../harness/commands/command-line.ts';
import { didYouMean } from '../../harness/commands/nearest.ts';
import * as replay from '../../harness/commands/replay.ts';
import * as run from '../../harness/commands/run.ts';
import * as series from '../../harness/commands/series.ts';
import * as shell from '../../harness/commands/shell.ts';
import * as triage from '../../harness/commands/triage.ts';

const modules = { bisect, cache, replay, run, series, triage };

/** The arguments of a command, the first word, split at spaces; `''` is an empty one. */
function check(line: string): ReturnType<typeof checkCommandLine> {
  const [name = '', ...args] = line.split(' ').map((word) => word.replaceAll("''", ''));
  return checkCommandLine(args, modules[name as keyof typeof modules]);
}

const refused: readonly (readonly [line: string, says: string])[] = [
  ['run --wrokload hmm', '--wrokload: no such flag; did you mean --workload?'],
  ['run --frobnicate=1', '--frobnicate: no such flag; splat run --help lists them'],
  ['run -k x', '-k: no such flag; splat run --help lists them'],
  ['run --kernel.x y', '--kernel.x: no such flag; did you mean --kernel?'],
  ['run --no-kernel', '--no-kernel: no such flag; to do without --kernel, leave it out'],
  ['run --no-out', '--no-out: no such flag; to do without --out, leave it out'],
  ['run --no-workload', '--no-workload: no such flag; to do without --workload, leave it out'],
  ['run --kernel a --kernel b', '--kernel was given twice'],
  ['run --out=a --out b', '--out was given twice'],
  ['run --configBase=a --config-base=b', '--config-base was given twice'],
  ['run --duration 1 --duration 2', '--duration was given twice'],
  ['run --accel kvm --accel tcg', '--accel was given twice'],
  ['run --baseline a --baseline a', '--baseline was given twice'],
  ['series x --base a --base b', '--base was given twice'],
  ['bisect --tree a --tree b', '--tree was given twice'],
  ['triage --vmlinux a --vmlinux b', '--vmlinux was given twice'],
  ['triage x --vmlinux', '--vmlinux needs a value'],
  ['run --kernel --json', '--kernel needs a value'],
  ['bisect --configs a', '--configs needs 2 values'],
  ["run --kernel ''", '--kernel: its value is empty'],
  ['run --duration=', '--duration: its value is empty'],
  ["triage ''", 'triage: FILES is empty'],
  ['run --json=maybe', '--json=maybe: this flag needs no value; true and false are allowed'],
  ['run --accel warp', '--accel warp: not one of auto, kvm, tcg'],
  ['run debian:6.1', 'run: unexpected argument debian:6.1; splat run takes flags only'],
  ['replay', 'replay needs RUN'],
  ['replay a b', 'replay: unexpected argument b; splat replay takes one RUN'],
  ['series --base K', 'series needs SERIES'],
  ['cache frob', 'cache frob: not one of list, prune'],
  ['cache lsit', 'cache lsit: not one of list, prune; did you mean list?'],
];

for (const [line, message] of refused) {
  void t.test(`"splat ${line}" is refused with what was typed`, (t) => {
    t.throws(() => check(line), { code: 'usage', message });
    t.end();
  });
}

void t.test('what is right is taken as it was typed', (t) => {
  for (const line of [
    'run',
    'run --json --json --no-json --json=false --json true --cold',
    'run --workload a --workload b --seed -1 -- --kernel -x c',
    'run --memoryMib 512 --config a --config=b',
    'series - --base K --detector 1 --detector 2',
    'bisect --configs a b --configs c d',
    'triage -- -',
    'triage a b c',
    'triage',
  ]) {
    t.doesNotThrow(() => check(line), line);
  }
  t.end();
});

void t.test('a number that is none stays as it was typed', (t) => {
  const typed = check('run --memoryMib 1G --duration 30s --repeat 2');
  t.strictSame(
    keepTyped(
      { 'memory-mib': Number.NaN, memoryMib: Number.NaN, duration: Number.NaN, repeat: 2 },
      typed,
    ),
    { 'memory-mib': '1G', memoryMib: '1G', duration: '30s', repeat: 2 },
  );
  const rows = check('series x --base K --detector 1 --detector x');
  t.strictSame(keepTyped({ detector: [1, Number.NaN] }, rows), {
    detector: [1, 'x'],
    series: 'x',
  });
  t.end();
});

void t.test('positionals are as typed, also after --', (t) => {
  t.strictSame(keepTyped({ files: ['a', './-b'] }, check('triage a --json -- -b --c')), {
    files: ['a', '-b', '--c'],
  });
  t.strictSame(keepTyped({}, check('replay -- -r')), { run: '-r' });
  t.strictSame(check('triage a -- -b').args, ['a', './-b']);
  t.strictSame(check('run --workload w -- -b').args, ['--workload', 'w', '--', '-b']);
  t.end();
});

void t.test('help is asked for anywhere but behind --', (t) => {
  t.ok(wantsHelp(['--no-such', '-h']));
  t.ok(wantsHelp(['--help']));
  t.notOk(wantsHelp(['--workload', 'x', '--', '-h']));
  t.end();
});

void t.test('the nearest word is suggested, and none that is far', (t) => {
  const words = ['run', 'series', 'list', 'cache', 'bisect'];
  for (const [typed, meant] of [
    ['rnu', 'run'],
    ['RUN', 'run'],
    ['serie', 'series'],
    ['bisetc', 'bisect'],
  ] as const) {
    t.equal(didYouMean(typed, words), `; did you mean ${meant}?`);
  }
  for (const typed of ['frobnicate', '', 'x'.repeat(100_000)])
    t.equal(didYouMean(typed, words), '');
  t.end();
});

/** The help of a command about the machine of a guest, one line for each flag. */
async function machineHelp(builder: (yargs: Argv) => Argv<unknown>): Promise<readonly string[]> {
  const help = await builder(makeYargs([]).wrap(null)).getHelp();
  return help
    .split('\n')
    .map((line) => line.trim().replaceAll(/ +/g, ' '))
    .filter((line) => /^--(?:accel|memory-mib|cpus) /.test(line));
}

void t.test('the machine of a guest is chosen by the same flags in every command', async (t) => {
  const ofRun = await machineHelp(run.builder);
  t.equal(ofRun.length, 3);
  t.strictSame(await machineHelp(shell.builder), ofRun);
  t.strictSame(await machineHelp(bisect.builder), ofRun);
  t.strictSame(await machineHelp(series.builder), ofRun);
});
