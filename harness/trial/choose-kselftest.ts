import { readFile } from 'node:fs/promises';
import { HarnessError } from '../errors.ts';
import { parseConfig } from '../kernel/config.ts';
import type { BuiltKernel } from '../kernel/kernel.ts';
import { type BuiltSelftest, buildSelftests } from '../kernel/selftests.ts';
import { isVersionIn } from '../kernel/source.ts';
import { readKselftestEnd, type SelftestExcuses } from '../stress/kselftest-end.ts';
import {
  knownFailures,
  type SelftestRow,
  type SelftestTarget,
  selftestRows,
  selftestTargets,
  sharedSources,
} from '../stress/kselftest-list.ts';
import type { ChosenWorkload, KernelRequest } from './chosen-workload.ts';
import { nameGlob } from './name-glob.ts';

/**
 * How many milliseconds a selftest may take without --duration; guest/pace.ts adds more time for a slower guest. A selftest that
 * takes longer has the result `timeout`.
 */
const testDurationMs = 60_000;

/**
 * True for a name with which `--workload` chooses selftests of the kernel tree: `kselftest:TARGET` or `kselftest:TARGET/PROGRAM`.
 * What follows `kselftest` is not checked.
 */
export function isKselftestName(name: string): boolean {
  return /^kselftest(?:$|[:+])/.test(name);
}

/**
 * True for a name such as `kselftest:mm`, which stands for all programs of the target in splat's table. A program of such a list
 * that cannot run does not decide the verdict. Throws `usage` for a kselftest name that parseKselftestName() refuses.
 */
export function isKselftestList(name: string): boolean {
  return isKselftestName(name) && parseKselftestName(name).program === undefined;
}

/** The parts of a name such as `kselftest:mm/uffd*`. */
interface KselftestAsked {
  readonly name: string;
  readonly target: SelftestTarget;
  /** The pattern for programs, with `*` and `?` as wildcards; absent for the whole list. */
  readonly program?: string;
  readonly rows: readonly SelftestRow[];
}

/**
 * Parses a name such as `kselftest:mm/uffd*`. Throws `usage` for a malformed name, and for a target or a program that splat's
 * table of selftests does not have.
 */
export function parseKselftestName(name: string): KselftestAsked {
  const path = /^kselftest:([\w*?./-]+)$/.exec(name)?.[1] ?? '';
  const targets = Object.keys(selftestTargets) as SelftestTarget[];
  const target = targets.find((one) => path === one || path.startsWith(`${one}/`));
  if (target === undefined) {
    const known = targets.map((one) => `kselftest:${one}`).join(', ');
    throw new HarnessError(
      'usage',
      `--workload ${name}: no such target; there are ${known}, and /PROGRAM may follow each of them`,
    );
  }
  const all = selftestRows.filter((row) => row.target === target);
  if (path === target) return { name, target, rows: all };
  const program = path.slice(target.length + 1);
  const wanted = nameGlob(program);
  const rows = all.filter((row) => wanted.test(row.name) || wanted.test(programOf(row)));
  if (rows.length > 0) return { name, target, program, rows };
  const known = all.map((row) => row.name).join(', ');
  throw new HarnessError('usage', `--workload ${name}: no such program; there are ${known}`);
}

/** Returns the program that a row of the table of selftests runs: `uffd-stress` for the row `uffd-stress.anon`. */
function programOf({ name }: SelftestRow): string {
  return name.split('.')[0] ?? name;
}

/**
 * Returns a workload for each different name of kernel selftests. When the kernel is built, the workload's onKernel() builds the
 * programs that the name stands for and returns a workload for each. Throws `usage` for a name that parseKselftestName() refuses.
 */
export function chooseKselftests(names: readonly string[]): readonly ChosenWorkload[] {
  return [...new Set(names)].map((name) => {
    const asked = parseKselftestName(name);
    return {
      workload: selftestWorkload(asked.target, asked.program ?? 'list', []),
      onKernel: async (kernel, request) => programsFor(asked, kernel, request),
    };
  });
}

async function programsFor(
  { target, program, rows }: KselftestAsked,
  kernel: BuiltKernel,
  request: KernelRequest,
): Promise<readonly ChosenWorkload[]> {
  const config = parseConfig(await readFile(kernel.config, 'utf8'));
  const lacks = (row: SelftestRow): string | undefined => whatLacks(row, kernel, config, request);
  const built = await buildTarget(target, lacks, kernel, request);
  const chosen: ChosenWorkload[] = [];
  for (const row of rows) {
    const found = built?.get(programOf(row)) ?? { kind: 'absent' };
    const lack = lacks(row);
    const why = lack ?? (built === undefined ? otherArch : whyNot(found, target));
    // A program that this version of the tree does not have is left out when the user asked for a whole list.
    const isForeign = isOld(row, kernel) || (lack === undefined && found.kind === 'absent');
    if (why === undefined && found.kind === 'built') {
      chosen.push(chosenProgram(row, await readFile(found.file), excusesOf(row, kernel, request)));
    } else if (program !== undefined || !isForeign) {
      chosen.push(skippedProgram(row, why ?? 'it was not built'));
    }
  }
  return chosen;
}

const otherArch = 'selftests are built for x86-64 alone';

/**
 * Builds all selftests of a target in splat's table, even when the user asked for only some of them, so that splat builds them
 * once for each kernel. Leaves out programs for which the kernel or the guest lacks something. Returns undefined on an
 * architecture other than x86-64.
 */
async function buildTarget(
  target: SelftestTarget,
  lacks: (row: SelftestRow) => string | undefined,
  kernel: BuiltKernel,
  request: KernelRequest,
): Promise<ReadonlyMap<string, BuiltSelftest> | undefined> {
  const buildable = selftestRows.filter((row) => row.target === target && lacks(row) === undefined);
  const programs = new Map(
    buildable.map((row) => {
      const { with: more } = row;
      const name = programOf(row);
      return [name, more === undefined ? { name } : { name, with: more }];
    }),
  );
  if (programs.size === 0) return new Map();
  const folders = selftestTargets[target];
  const wanted = { folders, programs: [...programs.values()], shared: sharedSources };
  return buildSelftests(kernel, wanted, request);
}

function isOld({ from = '0.0' }: SelftestRow, { version }: BuiltKernel): boolean {
  return !isVersionIn(version, { from });
}

/**
 * Returns why a selftest cannot run: what the kernel or the guest lacks, or why splat never runs this selftest. Returns undefined
 * when the selftest can run.
 */
function whatLacks(
  row: SelftestRow,
  kernel: BuiltKernel,
  config: ReadonlyMap<string, string>,
  request: KernelRequest,
): string | undefined {
  const { option, memoryMiB, never } = row;
  if (never !== undefined) return never;
  if (isOld(row, kernel)) return `it runs so from ${row.from} on`;
  if (option !== undefined && config.get(option) !== 'y') {
    return `the kernel was built without CONFIG_${option}`;
  }
  if (memoryMiB === undefined || request.memoryMiB >= memoryMiB) return undefined;
  return `it needs ${memoryMiB} MiB of memory, and the guest has ${request.memoryMiB} (--memory-mib)`;
}

function whyNot(found: BuiltSelftest, target: string): string | undefined {
  switch (found.kind) {
    case 'built':
      return undefined;
    case 'absent':
      return `this tree has no such program in its selftests of ${target}`;
    case 'broken':
      return `it cannot be built: ${found.message}`;
  }
}

function excusesOf(
  { large }: SelftestRow,
  { version }: BuiltKernel,
  { memoryMiB }: KernelRequest,
): SelftestExcuses {
  const known = knownFailures
    .filter(({ from = '0.0', before }) =>
      isVersionIn(version, before === undefined ? { from } : { from, before }),
    )
    .map(({ test }) => test);
  const isSmall = large !== undefined && memoryMiB < large.memoryMiB;
  return { known, ...(isSmall ? { tooLarge: large.test } : {}) };
}

function chosenProgram(
  row: SelftestRow,
  upload: Uint8Array,
  excuses: SelftestExcuses,
): ChosenWorkload {
  return {
    workload: {
      ...selftestWorkload(row.target, row.name, row.args ?? []),
      ...(row.settings === undefined ? {} : { settings: row.settings }),
    },
    upload,
    readTests: (stdout, end) => readKselftestEnd(row.name, stdout, end, excuses),
  };
}

/** A script that says that a test is skipped: it prints its arguments as the reason and exits with KSFT_SKIP. */
const skipScript = Buffer.from('#!/bin/sh\necho "skip: $*"\nexit 4\n');

function skippedProgram(row: SelftestRow, reason: string): ChosenWorkload {
  return {
    workload: selftestWorkload(row.target, row.name, [reason]),
    upload: skipScript,
    readTests: (stdout, end) => readKselftestEnd(row.name, stdout, end),
  };
}

function plain(text: string): string {
  return text.replaceAll(/[^\w.-]/g, '_');
}

function selftestWorkload(
  target: string,
  name: string,
  args: readonly string[],
): ChosenWorkload['workload'] {
  return {
    // The name becomes the name of a folder.
    name: `kselftest.${plain(target)}.${plain(name)}`,
    program: `/root/${plain(name)}`,
    args,
    witnesses: [],
    durationMs: testDurationMs,
    foreign: true,
  };
}
