import { HarnessError } from '../errors.ts';
import type { BuiltKernel } from '../kernel/kernel.ts';
import { type KernelSuites, type KunitSuite, readKunitSuites } from '../kernel/kunit-suites.ts';
import { readKunitEnd } from '../stress/kunit-end.ts';
import type { Workload } from '../stress/workloads.ts';
import type { ChosenWorkload } from './chosen-workload.ts';
import { distinctName } from './distinct-name.ts';
import { nameGlob } from './name-glob.ts';

/** The fragment of kernel-configs/ with which a kernel has KUnit and its suites of unit tests. */
export const kunitFragment = 'kunit';

/**
 * How many milliseconds a suite of KUnit may take without --duration; guest/pace.ts adds more time for a slower guest. A suite that
 * takes longer has the result `timeout`.
 */
const suiteDurationMs = 60_000;

/** Words of the command line with which a kernel runs its KUnit suites on request, and not at boot. */
const enabled = 'kunit.enable=1 kunit.autorun=0';

/**
 * True for a name with which `--workload` chooses unit tests of the kernel: `kunit:SUITE`. What follows `kunit` is not checked.
 */
export function isKunitName(name: string): boolean {
  return /^kunit(?:$|[:+])/.test(name);
}

/** The form `kunit:SUITE`; in SUITE, `*` and `?` are wildcards. SUITE may have spaces and more, because names of suites do. */
const nameForm = /^kunit:([\w*?. &/-]+)$/;

/** Returns the pattern SUITE of a name `kunit:SUITE`. Throws `usage` for a name of any other form. */
export function parseKunitName(name: string): string {
  const pattern = nameForm.exec(name)?.[1];
  if (pattern !== undefined) return pattern;
  const text = `--workload ${name}: not kunit:SUITE, such as kunit:drm_buddy or 'kunit:drm*'`;
  throw new HarnessError('usage', text);
}

/**
 * Returns a workload for each different name `kunit:SUITE`. When the kernel is built, the workload's onKernel() returns one
 * workload for each suite of this kernel that matches SUITE. Throws `usage` for a malformed name.
 */
export function chooseKunit(names: readonly string[]): readonly ChosenWorkload[] {
  const taken = new Map<string, string>();
  return [...new Set(names)].map((name) => {
    const pattern = parseKunitName(name);
    return {
      workload: suiteWorkload({ name: pattern, atBootOnly: false }),
      onKernel: async (kernel) => suitesOf(name, pattern, kernel, taken),
    };
  });
}

/**
 * Returns a workload for each KUnit suite of the kernel that matches `pattern`. Throws `usage`, with the suites that the kernel
 * has, when no suite matches. `taken` has the suite behind each workload name that was given so far, because the suites `a b` and
 * `a_b` would both get the name `kunit.a_b`.
 */
async function suitesOf(
  name: string,
  pattern: string,
  kernel: BuiltKernel,
  taken: Map<string, string>,
): Promise<readonly ChosenWorkload[]> {
  const known = await readKunitSuites(kernel);
  // The kernel was built without KUnit. The workload still runs, so that the guest reports that KUnit is missing.
  if (known === undefined) return [chosenSuite({ name: pattern, atBootOnly: false }, true)];
  const wanted = nameGlob(pattern);
  const found = known.suites.filter((suite) => wanted.test(suite.name));
  if (found.length === 0) {
    const all = known.suites.map((suite) => suite.name).join(', ');
    const text = `--workload ${name}: ${kernel.release} has no such suite; it has ${all || 'none'}`;
    throw new HarnessError('usage', text);
  }
  return found.map((suite) => {
    const chosen = chosenSuite(suite, isForked(suite, known));
    const own = distinctName(suite.name, (suffix) => `${chosen.workload.name}${suffix}`, taken);
    return { ...chosen, workload: { ...chosen.workload, name: own } };
  });
}

/**
 * True when a KUnit suite can run in copies of a guest that was booted once: this kernel can run suites after its boot, and this
 * suite can run after boot, too.
 */
function isForked({ atBootOnly }: KunitSuite, { runLater }: KernelSuites): boolean {
  return runLater && !atBootOnly;
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

/**
 * Returns the words of the kernel's command line that run a KUnit suite at boot. A character that would need quotes there becomes
 * `?`, which stands for any character when the kernel compares names.
 */
function bootArguments(suite: string): string {
  const glob = suite.replaceAll(/[^\w-]/g, '?');
  return `kunit.enable=1 kunit.autorun=1 kunit.filter_glob=${glob}`;
}

function suiteWorkload({ name }: KunitSuite): Workload {
  return {
    // The name becomes the name of a folder.
    name: `kunit.${name.replaceAll(/[^\w-]/g, '_')}`,
    program: '/bin/kunit',
    args: ['--suite', name],
    witnesses: [],
    durationMs: suiteDurationMs,
    foreign: true,
  };
}
