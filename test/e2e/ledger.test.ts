import t from 'tap';
import { verdictPhrase } from '../../harness/verdict.ts';
import { patchFile, splatRun } from './splat.ts';

/** A program that switches a detector off in the middle of a trial; its arguments say which. */
const blind = 'test/e2e/reproducers/blind.c';

/** Ways to switch a detector off on purpose, and the reason that the verdict must give. None of these trials may be clean. */
const attacks: readonly {
  readonly what: string;
  readonly args: readonly string[];
  readonly says: RegExp;
}[] = [
  {
    what: 'lockdep off since boot',
    args: ['--series', patchFile('lockdep-off-at-boot'), '--workload', 'munmap'],
    says: /lockdep was off before the workload began/,
  },
  {
    what: 'lockdep told to prove nothing',
    args: ['--workload', blind, '--', 'prove-locking'],
    says: /lockdep proves nothing \(kernel\.prove_locking: 0\)/,
  },
  {
    what: "lockdep's table of classes full",
    args: ['--series', patchFile('lockdep-table-full'), '--workload', 'hmm'],
    says: /lockdep's table of lock-classes is full \(8192 of 8192\)/,
  },
  {
    what: 'the console level lowered',
    args: ['--workload', blind, '--', 'console-level'],
    says: /the console no longer printed at the end/,
  },
  {
    what: 'the serial console taken from the kernel',
    args: ['--workload', blind, '--', 'console-lost'],
    says: /the console no longer printed at the end/,
  },
  {
    what: 'the kernel silenced since boot',
    args: ['--series', patchFile('console-silenced'), '--workload', 'munmap'],
    says: /the console does not print messages of level info/,
  },
  {
    what: 'lines dropped on their way to the console',
    args: ['--series', patchFile('console-drops-lines'), '--workload', 'munmap'],
    says: /lines? of the kernel's log never reached the console/,
  },
  {
    what: 'one-shot warnings that have been fired',
    args: ['--series', patchFile('warn-once-stays-fired'), '--workload', 'munmap'],
    says: /one-shot warnings could not be armed again/,
  },
];

for (const { what, args, says } of attacks) {
  void t.test(`${what}: inconclusive, blind`, async (t) => {
    await splatRun(args, ({ exitCode, result, stderr }) => {
      t.equal(verdictPhrase(result.verdict), 'inconclusive: blind', JSON.stringify(result.verdict));
      t.match(JSON.stringify(result.verdict), says);
      t.equal(exitCode, 125, stderr);
    });
  });
}
