import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RunResult } from '../../harness/records/run-result.ts';
import { type Verdict, verdictPhrase } from '../../harness/verdict.ts';
import { readText, root } from '../e2e/splat.ts';
import { complaintsOf, leftOvers, openHome, runIn } from './home.ts';

const guests = join(root, 'test', 'faults', 'guests');
const mib = 2 ** 20;
/** How many bytes of a workload's output are kept. */
const keptOutput = 16 * mib;

/** Control characters other than line ends and tabs, which can control a terminal. */
const control = /[^\P{Cc}\n\t]/u;

interface HostileRun {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly peakMiB: number;
  readonly result: RunResult;
  readonly dir: string;
}

/** Does a run with one of the hostile programs, in a home of its own. */
async function runHostile<T>(
  program: string,
  flags: readonly string[],
  use: (run: HostileRun) => Promise<T> | T,
): Promise<T> {
  await using home = await openHome();
  const dir = join(home.dir, 'run');
  const args = ['run', '--json', '--out', dir, '--workload', join(guests, program), ...flags];
  const done = await runIn(home, args);
  const left = await leftOvers(home, { files: ['cache/drafts', 'tmp'] });
  if (left.length > 0) throw new Error(`left behind: ${left.join()}`);
  if (done.stdout === '') throw new Error(`no result: ${done.stderr}`);
  return await use({ ...done, dir, result: JSON.parse(done.stdout) as RunResult });
}

/** The verdict of a trial, or that of the run when the trial has no result. */
function verdictOf({ result }: HostileRun, id: string): Verdict {
  return result.trials.find((trial) => trial.id === id)?.verdict ?? result.verdict;
}

const floods: readonly {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** The verdicts that the trial may have. */
  readonly verdicts: readonly string[];
  /** The file in the trial's folder that receives the flood, and the bytes that it must have at least. */
  readonly file: string;
  readonly leastBytes: number;
}[] = [
  {
    name: "the kernel's log",
    program: 'flood.c',
    args: ['/dev/kmsg'],
    verdicts: ['clean', 'inconclusive: blind'],
    file: 'console.log',
    leastBytes: mib,
  },
  {
    name: 'the console',
    program: 'flood.c',
    args: ['/dev/console'],
    verdicts: ['clean', 'inconclusive: blind'],
    file: 'console.log',
    leastBytes: mib,
  },
  {
    name: "the agent, by the workload's output",
    program: 'flood.c',
    args: ['-'],
    verdicts: ['clean'],
    file: 'output.log',
    leastBytes: 8 * mib,
  },
];

for (const { name, program, args, verdicts, file, leastBytes } of floods) {
  void t.test(`a guest that floods ${name} for a minute`, async (t) => {
    await runHostile(program, ['--duration', '60', '--', ...args], (run) => {
      const verdict = verdictOf(run, 'flood');
      const said = JSON.stringify(verdict);
      t.ok(verdicts.includes(verdictPhrase(verdict)), said);
      t.equal(run.exitCode, verdict.kind === 'clean' ? 0 : 125, run.stderr);
      const { size } = statSync(join(run.dir, 'trials', 'flood', file));
      t.ok(size >= leastBytes, `${size} bytes in ${file}`);
      if (file === 'output.log') t.ok(size <= keptOutput, 'and no more than are kept');
      t.ok(run.peakMiB < 300, `the harness needed ${run.peakMiB} MiB`);
      t.comment(`${said}; ${(size / mib).toFixed(1)} MiB; peak of the harness ${run.peakMiB} MiB`);
    });
  });
}

for (const what of ['lines', 'garbage']) {
  void t.test(`a guest that takes the agent's port and floods it with ${what}`, async (t) => {
    await runHostile('seize.c', ['--duration', '10', '--', what], (run) => {
      const verdict = verdictOf(run, 'seize');
      t.not(verdict.kind, 'clean', JSON.stringify(verdict));
      t.equal(run.exitCode, 1, 'a guest that answers no more, twice, is a splat');
      t.ok(run.peakMiB < 300, `the harness needed ${run.peakMiB} MiB`);
      t.comment(`${JSON.stringify(verdict)}; peak of the harness ${run.peakMiB} MiB`);
    });
  });
}

void t.test(
  'a guest that says it is clean and commands the terminal is believed nothing',
  async (t) => {
    await runHostile('forge.sh', [], (run) => {
      const verdict = verdictOf(run, 'forge_sh');
      t.equal(verdict.kind, 'splat', JSON.stringify(verdict));
      t.match(
        JSON.stringify(verdict),
        /sleeping function called from invalid context in splat_mn_/,
      );
      t.equal(run.exitCode, 1);
      t.notMatch(run.stdout.trimEnd(), control, 'no control characters in the JSON document');
      t.notMatch(run.stderr, control, 'nor in the progress');
      t.strictSame(complaintsOf(run), []);
    });
    await using home = await openHome();
    const args = ['run', '--workload', join(guests, 'forge.sh'), '--out', join(home.dir, 'run')];
    const { exitCode, stdout, stderr } = await runIn(home, args);
    t.equal(exitCode, 1, stderr);
    t.match(stdout, /^verdict {2}splat/m);
    t.notMatch(stdout + stderr, control, 'no control characters for a person either');
    for (const name of ['results.tap', 'junit.xml']) {
      t.notMatch(await readText(home.dir, 'run', name), control, name);
    }
  },
);
