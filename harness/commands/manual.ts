/** The parts that `splat COMMAND --help` adds to the flags: examples, exit codes and headings. */
import type { Argv } from 'yargs';
import { type CommandShape, describeFlags } from './command-line.ts';

interface Manual {
  /** Command lines without the leading `splat`, each with its purpose. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  readonly exits: string;
}

const harnessExits = '128 the harness failed, 129 usage, 130 interrupted.';
const verdictExits = `0 clean, 1 splat, 125 untestable or inconclusive, ${harnessExits}`;
const plainExits = `0 done, ${harnessExits}`;

/** The manuals by command name. */
export const manuals: Readonly<Record<string, Manual>> = {
  run: {
    examples: [
      ['run', 'build debian:6.1 and test it'],
      ['run --kernel ~/linux --series v3.mbox', 'test your tree as it is on disk, with a series'],
      ['run --quick', 'run only nine workloads, for a first answer'],
      ['run --workload oom-memcg --repeat 20', 'see how often a rare splat shows'],
      ['run --workload repro.c -- --threads 4', 'run your own reproducer with arguments'],
      ['run --module ~/my-driver', 'build your module for the kernel, and load it'],
    ],
    exits: verdictExits,
  },
  build: {
    examples: [
      ['build --kernel debian:newest', 'build the newest kernel of the Debian mirror'],
      ['build --kernel ~/linux@v6.12 --llvm --json', 'build with LLVM; print JSON'],
    ],
    exits: `0 built, 125 untestable, ${harnessExits}`,
  },
  series: {
    examples: [
      ['series v3.mbox --list', 'print the patches that splat reads from the mbox'],
      ['series v3.mbox --base ~/linux@v6.12', 'test each patch of the mbox'],
      [
        'series v3.mbox --tree ~/linux',
        'find the base of the series in your tree, and test each patch',
      ],
      ['series ~/linux@v6.12..HEAD --base ~/linux@v6.12 --mail', 'print a reply to the list'],
    ],
    exits: `0 no patch brings a splat or breaks a build or boot, 1 a patch does, 125 the base or a patch is untestable or inconclusive, ${harnessExits}`,
  },
  bisect: {
    examples: [
      ['bisect --tree ~/linux --good v6.11 --bad v6.12', 'find the commit that brought the splat'],
      ['bisect --series v3.mbox --workload hmm', 'find the patch that brought the splat'],
      ['bisect --configs good.config bad.config', 'find the option that makes the splat show'],
    ],
    exits: `0 the culprit was found, or a set of candidates that no testable commit divides, 125 there is no answer, ${harnessExits}`,
  },
  controls: {
    examples: [
      ['controls', 'try the whole detection matrix'],
      [
        'controls --kernel ~/linux --annotations in --row 3',
        'try one row of the matrix on your kernel',
      ],
    ],
    exits: `0 every cell is as expected, 1 a cell is not, ${harnessExits}`,
  },
  triage: {
    examples: [
      ['triage console.log', 'print the splats of a log'],
      ['triage logs/ --json', 'group the splats of all logs of a folder, or of *.log'],
      ['triage --follow /var/log/serial.log', 'follow a log that is still written'],
      [
        'triage --rescan splat-nights --history splat-history.db',
        'rename the splats of old runs in the history, where this version names them differently',
      ],
    ],
    exits:
      '0 no splat (an OOM kill is no splat, and neither is a report about a test program), 1 a splat, 128 the harness failed, 129 usage or no log, 130 interrupted. --batch and --rescan end with 0 whatever they find, --follow with 0 or 1.',
  },
  list: {
    examples: [
      ['list', 'list the runs below ./splat-runs'],
      ['list /srv/nights --json', 'list the runs of another folder, as JSON'],
    ],
    exits: plainExits,
  },
  coverage: {
    examples: [
      ['coverage splat-runs/20261129-191013-6631', 'show which functions ran, by file'],
      ['coverage splat-runs/20261129-191013-6631 --full', 'also name the functions that never ran'],
      [
        'coverage splat-runs/20261129-191013-6631 --against splat-runs/20261128-203344-1172',
        'show the functions that ran in only one of two runs',
      ],
    ],
    exits: plainExits,
  },
  report: {
    examples: [
      [
        'report splat-runs/20261129-191013-6631 --out night.html',
        'write a single file to send to others',
      ],
    ],
    exits: plainExits,
  },
  cache: {
    examples: [
      ['cache', 'list the entries of the cache, with sizes'],
      ['cache prune --max-size 10', 'keep the 10 GiB that were used last'],
      ['cache prune --older-than 30 --dry-run', 'list the entries that were not used for 30 days'],
    ],
    exits: plainExits,
  },
  replay: {
    examples: [
      ['replay splat-runs/20261129-191013-6631/hmm', 'repeat one trial: same kernel, same seed'],
      ['replay splat-runs/20261129-191013-6631', 'repeat the whole run'],
    ],
    exits: `0 the verdicts repeated, 1 they did not, ${harnessExits}`,
  },
  shell: {
    examples: [
      ['shell', 'open a terminal in a guest'],
      ["shell --run 'cat /proc/version'", 'run one command in a guest'],
      ['shell --kernel ~/linux --gdb', 'boot your tree with a gdb stub'],
    ],
    exits: `the exit status of the guest's shell or of the --run command; 125 the kernel cannot be built, 128 it does not boot, or the harness failed, 129 usage, 130 interrupted.`,
  },
  doctor: {
    examples: [
      ['doctor', 'check what a run needs of this host'],
      ['doctor --prove', 'also find out whether KVM runs a guest'],
    ],
    exits: '0 a run can start on this host, 128 it cannot, 129 usage, 130 interrupted.',
  },
  nightly: {
    examples: [
      ['nightly matrix.yaml --dry-run', 'list the cells and their expected time'],
      ['nightly matrix.yaml', 'run a night, or continue the one that was stopped'],
      ['nightly matrix.yaml --cell 90c491c880232c80 --json', 'run only this cell'],
      ['nightly matrix.yaml --notify ./mail.sh', 'start a program for each splat that is new'],
      ['nightly matrix.yaml --check-heartbeat', 'exit with 1 when no night began lately'],
      ['nightly plan matrix.yaml --out plan.json', 'plan a night for several machines'],
      ['nightly --plan plan.json --shard 2/3 --out shard', 'run the second of 3 parts'],
      ['nightly merge --plan plan.json shards', 'judge the night from its parts'],
      ['nightly --plan plan.json --queue redis://127.0.0.1', 'let workers run the plan'],
    ],
    exits: `1 a cell is new, back, broken or disappeared; else 128 over a tenth of the cells failed because of the host or the harness; else 125 a cell is inconclusive or was not run; else 0. A part ends with 0 when each of its cells has a result. Also ${harnessExits}`,
  },
  worker: {
    examples: [
      ['worker --queue rediss://splat@lab.example', "run cells of the lab's queue"],
      ['worker --queue redis://127.0.0.1 --idle-minutes 10', 'stop after ten idle minutes'],
    ],
    exits: `0 the worker was idle for --idle-minutes, ${harnessExits}`,
  },
  history: {
    examples: [
      ['history', 'list all splats, with state and rate'],
      ['history "possible deadlock" --since 14d', 'list the splats with these words in the title'],
      ['history import splat-runs/20261129-191013-6631', 'add a run to the history as a night'],
      ['history backup nights.db', 'copy the history to nights.db, even while a night runs'],
    ],
    exits: plainExits,
  },
  known: {
    examples: [
      ['known check', 'print which entries have expired'],
      [
        'known add SIGNATURE --until 2027-01-31 --reason WHY',
        'until that day, the splat does not decide a night',
      ],
    ],
    exits: `0 done, 1 an entry has expired, ${harnessExits}`,
  },
  kcidb: {
    examples: [
      ['kcidb submit splat-runs/20261129-191013-6631 --dry-run', 'print what would be sent'],
      [
        'kcidb submit splat-runs/20261129-191013-6631 --origin mylab',
        'send a run to the server of $KCIDB_REST',
      ],
      ['kcidb submit', 'send the documents that still wait'],
    ],
    exits: `0 every document was sent, 128 a document waits or was refused (or the harness failed), 129 usage, 130 interrupted.`,
  },
  store: {
    examples: [
      ['store key ~/.config/splat/store.key', 'make a key that signs kernels for a store'],
      ['store serve /srv/splat-store', 'serve a store on loopback'],
      ['store list /srv/splat-store', 'list a store, least recently used first'],
      ['store prune /srv/splat-store --max-size 50', 'keep the 50 GiB that were used last'],
    ],
    exits: plainExits,
  },
  completion: {
    examples: [
      ['completion bash > FILE', 'write the script to a FILE that bash sources'],
      [
        'completion zsh > ~/.zfunc/_splat',
        'write the script for zsh, whose fpath must have ~/.zfunc',
      ],
    ],
    exits: plainExits,
  },
};

/** The headings of a help text, in order, with the flags below each. Other flags come last, below "Options:". */
export const headings: Readonly<Record<string, readonly string[]>> = {
  'Kernel:': [
    'kernel',
    'base',
    'tree',
    'good',
    'bad',
    'series',
    'base-series',
    'previous',
    'with-series',
    'config',
    'config-base',
    'configs',
    'cc',
    'llvm',
    'module',
    'store',
    'store-key',
    'store-trust',
  ],
  'What is tried:': [
    'workload',
    'igt',
    'igt-expect',
    'duration',
    'seed',
    'repeat',
    'cold',
    'quick',
    'coverage',
    'baseline',
    'confidence',
    'annotations',
    'row',
    'signature',
    'detector',
    'reverse',
    'first-parent',
    'path',
    'verify-revert',
  ],
  'Guest:': ['guest', 'packages', 'gpu', 'memory-mib', 'cpus'],
  'Host:': ['accel', 'jobs'],
  'More than one machine:': ['plan', 'shard', 'shards', 'queue', 'idle-minutes'],
  'Output:': ['out', 'against', 'full', 'list', 'json', 'batch', 'mail', 'b4'],
  'Notices:': ['notify', 'notify-arg', 'notify-most', 'check-heartbeat', 'heartbeat-hours'],
};

/** Adds a command's headings, examples and exit codes to its help, which yargs prints. */
export function explainCommand(parser: Argv, name: string, command: CommandShape): void {
  const declared = new Set(describeFlags(command).flags.map((flag) => flag.name));
  for (const [heading, flags] of Object.entries(headings)) {
    const present = flags.filter((flag) => declared.has(flag));
    if (present.length > 0) parser.group(present, heading);
  }
  const manual = manuals[name];
  if (manual === undefined) return;
  parser.example(describeExamples(manual.examples), '');
  if (inTreeElsewhere.has(name)) parser.epilogue(stateFolderText);
  parser.epilogue(`Exit codes: ${manual.exits}`);
}

/** Commands whose default folder or history lies in another place when the working directory is in a kernel tree. */
const inTreeElsewhere = new Set([
  'run',
  'controls',
  'replay',
  'series',
  'bisect',
  'nightly',
  'history',
  'known',
  'list',
]);
const stateFolderText =
  'In a kernel tree the defaults are below $XDG_STATE_HOME/splat: splat writes nothing to the tree.';
const exampleColumns = 96;

/**
 * A line for each example. A purpose that does not fit beside its command is a comment above it, because nobody could copy a
 * folded command.
 */
function describeExamples(examples: Manual['examples']): string {
  const width = Math.max(...examples.map(([line]) => line.length).filter((length) => length < 46));
  return examples
    .map(([line, purpose]) => {
      const folded = `splat ${line.padEnd(width)}  # ${purpose}`;
      return folded.length <= exampleColumns ? folded : `# ${purpose}\nsplat ${line}`;
    })
    .join('\n');
}
