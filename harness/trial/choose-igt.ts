import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { ToolsDisk } from '../guest/argv.ts';
import { ensureIgt, ensureOwnIgt, type IgtImage, igtFolder } from '../guest/igt.ts';
import { libraryFolder } from '../guest/tools-image.ts';
import { readFaultIn } from '../host/disk.ts';
import { packageRoot } from '../host/package-root.ts';
import type { KernelVersion } from '../kernel/source.ts';
import { type IgtProgram, readIgtEnd } from '../stress/igt-end.ts';
import {
  type ExpectationFile,
  type Expectations,
  isSkipped,
  readExpectations,
} from '../stress/igt-expectations.ts';
import { type IgtDriver, type IgtRow, igtRows } from '../stress/igt-list.ts';
import { readIgtRuns } from '../stress/igt-runs.ts';
import type { Workload } from '../stress/workloads.ts';
import type { ChosenWorkload, TestReader } from './chosen-workload.ts';
import { distinctName } from './distinct-name.ts';
import { type IgtAsked, parseIgtName } from './igt-name.ts';
import { nameGlob } from './name-glob.ts';

/**
 * The options that decide where IGT (a test suite for GPU drivers) and the expected results of its tests come from. The programs
 * of Debian are fetched with these options, too.
 */
export interface IgtRequest {
  /** The folder of the user's own build of IGT. Undefined: the IGT that Debian packages. */
  readonly dir: string | undefined;
  /** The user's folder of files that say which results are expected. Undefined: splat's own files. */
  readonly expect: string | undefined;
  readonly cwd: string;
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/**
 * How many milliseconds a test may take without --duration; guest/pace.ts adds more time for a slower guest. A test that takes
 * longer has the result `timeout`.
 */
const testDurationMs = 60_000;

/**
 * Without --duration: how many milliseconds the tests of `igt:order` run in their one guest (`orderDurationMs`), and how many
 * milliseconds a workload runs beside a test (`besideDurationMs`).
 */
const orderDurationMs = 120_000;
const besideDurationMs = 10_000;

/**
 * Returns the workloads for names of IGT tests: one for each test on each GPU driver, and one for all tests of `igt:order`.
 * Throws `usage` for a name that cannot be parsed, for a pattern that matches no test, and for files of expected results that are
 * missing or cannot be read.
 */
export async function chooseIgt(
  names: readonly string[],
  request: IgtRequest,
): Promise<readonly ChosenWorkload[]> {
  const selections = names.map(parseIgtName);
  const files = await readFiles(request);
  const image =
    request.dir === undefined
      ? await ensureIgt(request)
      : await ensureOwnIgt(resolve(request.cwd, request.dir), request);
  const once = new Map<string, ChosenWorkload>();
  const taken = new Map<string, string>();
  for (const one of selections) {
    const rows = one.kind === 'pattern' ? matching(one, image) : curated(image);
    const chosen =
      one.kind === 'order'
        ? [chosenOrder(rows, image, files)]
        : rows.map((row) => chosenTest({ row, image, taken, ...one }, files));
    for (const each of chosen) once.set(each.workload.name, each);
  }
  return [...once.values()];
}

/**
 * Returns the disk with IGT for a guest. A guest that boots with this disk first runs the smallest test, which loads every library
 * that the other tests need.
 */
function diskOf({ id, disk }: IgtImage): ToolsDisk {
  const test = [...envOptions(), '--', `${igtFolder}/core_getversion`, '--list-subtests'];
  return { id, path: disk, warmUp: ['/bin/tools', ...test] };
}

function envOptions(): readonly string[] {
  return [`LD_LIBRARY_PATH=${libraryFolder}`, 'HOME=/tmp'].flatMap((one) => ['--env', one]);
}

function curated(image: IgtImage): readonly IgtRow[] {
  return igtRows.filter(({ test }) => image.tests[test] !== undefined);
}

function matching(asked: IgtAsked, image: IgtImage): readonly IgtRow[] {
  const { name, driver, test, subtest } = asked;
  const wanted = nameGlob(test);
  const only = subtest === undefined ? undefined : nameGlob(subtest);
  const found = Object.entries(image.tests).filter(
    ([one, subtests]) =>
      wanted.test(one) && (only === undefined || subtests.some((two) => only.test(two))),
  );
  if (found.length === 0) {
    throw new HarnessError('usage', `--workload ${name}: no test of ${image.name} matches`);
  }
  return found.flatMap(([one]) => {
    const known = igtRows.filter((row) => row.test === one);
    const drivers = driver === undefined ? known.map((row) => row.driver) : [driver];
    return (drivers.length === 0 ? (['virtio_gpu'] as const) : drivers).map((each) => {
      const row = known.find((two) => two.driver === each);
      // A subtest that the user named may not reach everything that the whole test reaches.
      const witnesses = only === undefined ? (row?.witnesses ?? []) : [];
      const rest = { driver: each, test: one, witnesses, why: 'asked for by name' };
      return only === undefined ? rest : { ...rest, only };
    });
  });
}

/** A test of IGT, and the workload that runs beside it, if any. */
interface TestChoice {
  readonly row: IgtRow;
  readonly image: IgtImage;
  readonly beside?: Workload;
  readonly subtest?: string;
  /** The test behind each workload name that was given so far, by the name (distinct-name.ts). */
  readonly taken: Map<string, string>;
}

function chosenTest(choice: TestChoice, files: readonly ExpectationFile[]): ChosenWorkload {
  const { row, image, beside, subtest = '', taken } = choice;
  const driver = row.driver === 'none' ? '' : `${row.driver}.`;
  const some = subtest === '' ? '' : `@${subtest.replaceAll(/[^\w-]/g, '_')}`;
  const pressure = beside === undefined ? '' : `+${beside.name}`;
  const workload: Workload = {
    // A test may occur twice: splat's list runs some of its subtests, and the user also asks for the whole test.
    name: distinctName(
      [row.test, subtest, row.only].join(' '),
      (suffix) => `igt.${driver}${row.test}${some}${suffix}${pressure}`,
      taken,
    ),
    program: '/bin/tools',
    args: [],
    witnesses: [...row.witnesses, ...(beside?.witnesses ?? [])],
    durationMs: beside === undefined ? testDurationMs : besideDurationMs,
    foreign: true,
    ...(beside === undefined ? {} : { beside }),
  };
  const disk = diskOf(image);
  return {
    workload,
    disk,
    forKernel: (version) => {
      const command = commandFor(row, image, files, version);
      if (command === undefined) return undefined;
      const { program } = command;
      const readTests: TestReader =
        beside === undefined
          ? (stdout, end) => readIgtEnd(program, stdout, end)
          : (stdout, end) => readIgtRuns(new Map([[command.head, program]]), stdout, end);
      const args = [...envOptions(), '--', ...command.words];
      return { workload: { ...workload, args }, disk, readTests };
    },
  };
}

/** Returns the workload with all tests of `igt:order`, which run in one guest in an order that the trial's seed decides. */
function chosenOrder(
  rows: readonly IgtRow[],
  image: IgtImage,
  files: readonly ExpectationFile[],
): ChosenWorkload {
  const disk = diskOf(image);
  const workload: Workload = {
    name: 'igt.order',
    program: '/bin/tools',
    args: [],
    witnesses: ['calls.drm_open', 'calls.drm_release'],
    durationMs: orderDurationMs,
    foreign: true,
    ordered: true,
  };
  return {
    workload,
    disk,
    forKernel: (version) => {
      const commands = rows.flatMap((row) => commandFor(row, image, files, version) ?? []);
      const programs = new Map(commands.map(({ head, program }) => [head, program]));
      const args = [...envOptions(), ...commands.flatMap(({ words }) => ['--', ...words])];
      const readTests: TestReader = (stdout, end) => readIgtRuns(programs, stdout, end);
      return { workload: { ...workload, args }, disk, readTests };
    },
  };
}

/** The command with which guests/minimal/tools.c runs a test. */
interface TestCommand {
  readonly words: readonly string[];
  /** The line that tools.c prints before each run of the test when it runs several tests; without its `tools: `. */
  readonly head: string;
  readonly program: IgtProgram & { readonly driver: IgtDriver };
}

/**
 * Returns the command for those subtests of a test that the files of expected results do not skip on this kernel. Returns
 * undefined when the files skip all of them.
 */
function commandFor(
  { driver, test, only }: IgtRow,
  image: IgtImage,
  files: readonly ExpectationFile[],
  version: KernelVersion,
): TestCommand | undefined {
  const expectations = requireReadable(filesOf(files, driver), version);
  const all = image.tests[test] ?? [];
  const wanted = all.filter((name) => only?.test(name) ?? true);
  const left = wanted.filter((name) => !isSkipped(`${test}@${name}`, expectations));
  const isWhole = all.length === 0;
  if (isWhole ? isSkipped(test, expectations) : left.length === 0) return undefined;
  const path = `${igtFolder}/${test}`;
  const forced = driver === 'none' ? [] : [`IGT_FORCE_DRIVER=${driver}`];
  const some = left.length === all.length ? [] : ['--run-subtest', left.join(',')];
  return {
    words: [...forced, path, ...some],
    head: [...forced, path].join(' '),
    program: { test, driver, subtests: left, expectations },
  };
}

function requireReadable(files: readonly ExpectationFile[], version: KernelVersion): Expectations {
  const read = readExpectations(files, version);
  if ('problem' in read)
    throw new HarnessError('usage', `the expectations of IGT cannot be read: ${read.problem}`);
  return read;
}

/**
 * The name of a file with expected results: driver, any words, kind, such as `vkms-none-fails.txt`. `any` in place of the driver
 * stands for every driver, and for tests that use no driver.
 */
const fileForm = /^(\w+?)(?:-[\w-]+?)?-(fails|flakes|skips)\.txt$/;

async function readFiles(request: IgtRequest): Promise<readonly ExpectationFile[]> {
  const { cwd, expect } = request;
  const dir =
    expect === undefined ? join(packageRoot(), 'guests/igt/expectations') : resolve(cwd, expect);
  const names = await readdir(dir).catch((cause: unknown) => {
    throw new HarnessError(
      'usage',
      `cannot read --igt-expect ${expect ?? dir}: ${readFaultIn(cause)}`,
      {
        cause,
      },
    );
  });
  const known = names.filter((name) => fileForm.test(name)).toSorted();
  if (known.length === 0) {
    const text = `--igt-expect ${expect ?? dir}: the folder has no file with a name such as DRIVER-fails.txt, DRIVER-flakes.txt or DRIVER-skips.txt`;
    throw new HarnessError('usage', text);
  }
  const files = await Promise.all(
    known.map(async (name) => {
      const kind = fileForm.exec(name)?.[2] as ExpectationFile['kind'];
      return { path: join(dir, name), kind, text: await readFile(join(dir, name), 'utf8') };
    }),
  );
  // Lines that cannot be read are reported here, before a kernel is built.
  requireReadable(files, [99, 0]);
  return files;
}

function filesOf(files: readonly ExpectationFile[], driver: IgtDriver): readonly ExpectationFile[] {
  return files.filter(({ path }) => {
    const of = fileForm.exec(path.slice(path.lastIndexOf('/') + 1))?.[1];
    return of === 'any' || of === driver;
  });
}
