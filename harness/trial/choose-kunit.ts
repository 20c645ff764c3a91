import { HarnessError } from '../errors.ts';
import type { BuiltKernel } from '../kernel/kernel.ts';
import { type KernelSuites, type KunitSuite, readKunitSuites } from '../kernel/kunit-suites.ts';
import { readKunitEnd } from '../stress/kunit-end.ts';
import type { Workload } from '../stress/workloads.ts';
import type { ChosenWorkload } from './chosen-workload.ts';

/** The fragment of kernel-configs/ that every kernel gets whose suites are asked for. */
export const kunitFragment = 'kunit';

/** Milliseconds that a suite may take before it is examined for a hang; a slow guest gets more (guest/pace.ts). */
const suiteDurationMs = 60_000;

/** The words that make a kernel run suites on request alone. */
const enabled = 'kunit.enable=1 kunit.autorun=0';

/** True for what `--workload` takes of the kernel's unit tests: `kunit:SUITE`. */
export function isKunitName(name: string): boolean {
  return /^kunit(?:$|[:+])/.test(name);
}

/** `kunit:SUITE` with `*` and `?`; suites are named as their authors liked. */
const nameForm = /^kunit:([\w*?. &/-]+)$/;

/** Returns the pattern in such a name. Throws `usage` for a name in another form. */
export function parseKunitName(name: string): string {
  const pattern = nameForm.exec(name)?.[1];
  if (pattern !== undefined) return pattern;
  const text = `--workload ${name}: not kunit:SUITE, as kunit:drm_buddy or 'kunit:drm*'`;
  throw new HarnessError('usage', text);
}

/** Returns a workload for each name; the suites that it stands for are known once there is a kernel. */
export function chooseKunit(names: readonly string[]): readonly ChosenWorkload[] {
  return [...new Set(names)].map((name) => {
    const pattern = parseKunitName(name);
    return {
      workload: suiteWorkload({ name: pattern, atBootOnly: false }),
      onKernel: async (kernel) => suitesOf(name, pattern, kernel),
    };
  });
}

/** The suites of the kernel that match. Throws `usage` when none does, with those that the kernel has. */
async function suitesOf(
  name: string,
  pattern: string,
  kernel: BuiltKernel,
): Promise<readonly ChosenWorkload[]> {
  const known = await readKunitSuites(kernel);
  // The guest says that there is no KUnit.
  if (known === undefined) return [chosenSuite({ name: pattern, atBootOnly: false }, true)];
  const wanted = globOf(pattern);
  const found = known.suites.filter((suite) => wanted.test(suite.name));
  if (found.length === 0) {
    const all = known.suites.map((suite) => suite.name).join(', ');
    const text = `--workload ${name}: ${kernel.release} has no such suite; it has ${all || 'none'}`;
    throw new HarnessError('usage', text);
  }
  return found.map((suite) => chosenSuite(suite, isForked(suite, known)));
}

/** Copies of one boot run a suite where it can be run after boot without having run in it. */
function isForked({ atBootOnly }: KunitSuite, { runLater }: KernelSuites): boolean {
  return runLater && !atBootOnly;
}

function globOf(pattern: string): RegExp {
  const text = pattern
    .replaceAll(/[.+&/]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${text}$`);
}

function chosenSuite(suite: KunitSuite, forked: boolean): ChosenWorkload {
  const { name } = suite;
  const workload = suiteWorkload(suite);
  return {
    workload: forked
      ? workload
      : { ...workload, args: ['--boot'], bootArguments: bootArguments(name) },
    readTests: (stdout, end) => readKunitEnd(name, stdout, end),
    ...(forked ? { guestArguments: enabled } : {}),
  };
}

/** The kernel's own pattern stands for what a command line would have to quote. */
function bootArguments(suite: string): string {
  const glob = suite.replaceAll(/[^\w-]/g, '?');
  return `kunit.enable=1 kunit.autorun=1 kunit.filter_glob=${glob}`;
}

function suiteWorkload({ name }: KunitSuite): Workload {
  return {
    // It becomes the name of a folder.
    name: `kunit.${name.replaceAll(/[^\w-]/g, '_')}`,
    program: '/bin/kunit',
    args: ['--suite', name],
    witnesses: [],
    durationMs: suiteDurationMs,
    foreign: true,
  };
}
