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
      ['run', 'is debian:6.1 clean here?'],
      ['run --kernel ~/linux --series v3.mbox', 'your tree as it is on disk, with a series'],
      ['run --quick', 'nine workloads instead of all: a first answer'],
      ['run --workload oom-memcg --repeat 20', 'how often does a rare splat fire?'],
      ['run --workload repro.c -- --threads 4', 'your own reproducer and its arguments'],
      ['run --module ~/my-driver', 'your module, built against this kernel and loaded'],
    ],
    exits: verdictExits,
  },
  build: {
    examples: [
      ['build --kernel debian:newest', 'the newest kernel of the mirror'],
      ['build --kernel ~/linux@v6.12 --llvm --json', 'with LLVM; where the image is, as JSON'],
    ],
    exits: `0 built, 125 untestable, ${harnessExits}`,
  },
  series: {
    examples: [
      ['series v3.mbox --list', 'the patches that are read from the mail thread'],
      ['series v3.mbox --base ~/linux@v6.12', 'a verdict for each patch'],
      ['series ~/linux@origin/master..HEAD --tree ~/linux --mail', 'a reply to the list'],
    ],
    exits: `0 no patch brings a splat or breaks the build, 1 a patch does, 125 untestable or inconclusive, ${harnessExits}`,
  },
  bisect: {
    examples: [
      ['bisect --tree ~/linux --good v6.11 --bad v6.12', 'the commit that brought the splat'],
      ['bisect --series v3.mbox --workload hmm', 'the patch that brought it'],
      ['bisect --configs good.config bad.config', 'the option that shows it'],
    ],
    exits: `0 culprit found, 125 not found, ${harnessExits}`,
  },
  controls: {
    examples: [
      ['controls', 'the whole detection matrix'],
      ['controls --kernel ~/linux --annotations in --row 3', 'one rule on your kernel'],
    ],
    exits: `0 every cell is as expected, 1 a cell is not, ${harnessExits}`,
  },
  triage: {
    examples: [
      ['triage console.log', 'the splats of a log'],
      ['triage logs/ --json', 'all logs below a folder, grouped by signature'],
      ['triage --follow /var/log/serial.log', 'a log that is still being written'],
      [
        'triage --rescan splat-nights --history splat-history.db',
        "rename known splats as today's rules name them",
      ],
    ],
    exits:
      '0 nothing that counts (events and muted reports do not), 1 a splat, 128 the harness failed, 129 usage or no log, 130 interrupted. --batch and --rescan always give 0, --follow 0 or 1.',
  },
  list: {
    examples: [
      ['list', 'the runs below ./splat-runs'],
      ['list /srv/nights --json', 'the runs in another folder, as JSON'],
    ],
    exits: plainExits,
  },
  coverage: {
    examples: [
      ['coverage splat-runs/LAST', 'functions that ran by file, callers, ioctls'],
      ['coverage splat-runs/LAST --full', 'also the names of functions that never ran'],
      [
        'coverage splat-runs/LAST --against splat-runs/BEFORE',
        'the functions that ran in only one of two runs',
      ],
    ],
    exits: plainExits,
  },
  report: {
    examples: [
      ['report splat-runs/LAST --out night.html', 'a single file that can be sent to others'],
    ],
    exits: plainExits,
  },
  cache: {
    examples: [
      ['cache', 'what the cache holds, with sizes'],
      ['cache prune --max-size 10', 'keep the 10 GiB used last'],
      ['cache prune --older-than 30 --dry-run', 'list the entries that nobody used for a month'],
    ],
    exits: plainExits,
  },
  replay: {
    examples: [
      ['replay splat-runs/LAST/hmm', 'one trial: same kernel, same seed'],
      ['replay splat-runs/LAST', 'the whole run'],
    ],
    exits: `0 the verdicts repeated, 1 they did not, ${harnessExits}`,
  },
  shell: {
    examples: [
      ['shell', 'a terminal in the guest'],
      ["shell --run 'cat /proc/version'", 'one command, and its exit status'],
      ['shell --kernel ~/linux --gdb', 'with a gdb stub'],
    ],
    exits: `that of the guest's shell or of --run; 125 the kernel is untestable, ${harnessExits}`,
  },
  doctor: {
    examples: [
      ['doctor', 'what a run needs of this host'],
      ['doctor --prove', 'does KVM really run a guest here?'],
    ],
    exits: '0 a run can start here, 128 it cannot, 129 usage, 130 interrupted.',
  },
  nightly: {
    examples: [
      ['nightly matrix.yaml --dry-run', 'which cells, and how long they take'],
      ['nightly matrix.yaml', 'a night; the same command continues a night that was stopped'],
      ['nightly matrix.yaml --cell 90c491c880232c80 --json', 'only one cell'],
      ['nightly matrix.yaml --notify ./mail.sh', 'start a program for what is new'],
      ['nightly matrix.yaml --check-heartbeat', 'did a night begin today? 1 when none did'],
      ['nightly plan matrix.yaml --out plan.json', 'a night that several machines share'],
      ['nightly --plan plan.json --shard 2/3 --out shard', 'one part of it, on any of them'],
      ['nightly merge --plan plan.json shards', 'the night, judged and in the history'],
      ['nightly --plan plan.json --queue redis://127.0.0.1', 'a night that workers run'],
    ],
    exits: `1 something is new, back, broken or disappeared, else 128 over a tenth of the cells is infrastructure, else 125 something is inconclusive or not run, else 0; of a part 0 when all of its results are there; ${harnessExits}`,
  },
  worker: {
    examples: [
      [
        'worker --queue rediss://splat@lab.example',
        "work for the lab's queue, one cell after another",
      ],
      ['worker --queue redis://127.0.0.1 --idle-minutes 10', 'end after ten minutes without work'],
    ],
    exits: `0 it was idle for as long as --idle-minutes says, ${harnessExits}`,
  },
  history: {
    examples: [
      ['history', 'every splat by cell: state, first and last seen, rate'],
      ['history "possible deadlock" --since 14d', 'the splats with these words in their title'],
      ['history import splat-runs/20261129-191013-6631', 'a run as a night of its own'],
      ['history backup nights.db', 'a complete copy, even while a night runs'],
    ],
    exits: plainExits,
  },
  known: {
    examples: [
      ['known check', 'which entries of the file have expired'],
      [
        'known add SIGNATURE --until 2027-01-31 --reason WHY',
        'a splat that wakes nobody until that day',
      ],
    ],
    exits: `0 done, 1 an entry has expired, ${harnessExits}`,
  },
  kcidb: {
    examples: [
      ['kcidb submit splat-runs/LAST --dry-run', 'what would be sent'],
      ['kcidb submit splat-runs/LAST --origin mylab', 'to $KCIDB_REST, which holds the token'],
      ['kcidb submit', 'the documents that wait since the server did not answer'],
    ],
    exits: `0 all was sent, 128 something waits or was refused, or the harness failed, 129 usage, 130 interrupted.`,
  },
  store: {
    examples: [
      [
        'store key ~/.config/splat/store.key',
        'make a key for a host that puts kernels into a store',
      ],
      ['store serve /srv/splat-store', 'a server for a lab, on loopback; docs/store.md has TLS'],
      ['store list /srv/splat-store', 'the contents of a store, least recently used first'],
      ['store prune /srv/splat-store --max-size 50', 'keep the 50 GiB used last'],
    ],
    exits: plainExits,
  },
  completion: {
    examples: [
      [
        'completion bash > FILE',
        'for bash; FILE is in /etc/bash_completion.d or ~/.bash_completion.d',
      ],
      ['completion zsh > ~/.zfunc/_splat', 'for zsh, with ~/.zfunc in fpath'],
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

/** Adds a command's headings, examples and exit codes to what yargs prints for --help. */
export function explainCommand(parser: Argv, name: string, command: CommandShape): void {
  const declared = new Set(describeFlags(command).flags.map((flag) => flag.name));
  for (const [heading, flags] of Object.entries(headings)) {
    const present = flags.filter((flag) => declared.has(flag));
    if (present.length > 0) parser.group(present, heading);
  }
  const manual = manuals[name];
  if (manual === undefined) return;
  for (const [line, purpose] of manual.examples) parser.example(`splat ${line}`, purpose);
  parser.epilogue(`Exit codes: ${manual.exits}`);
}
