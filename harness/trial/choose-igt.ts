import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { ToolsDisk } from '../guest/argv.ts';
import { ensureIgt, ensureOwnIgt, type IgtImage, igtFolder } from '../guest/igt.ts';
import { libraryFolder } from '../guest/tools-image.ts';
import { packageRoot } from '../host/package-root.ts';
import type { KernelVersion } from '../kernel/source.ts';
import { readIgtEnd } from '../stress/igt-end.ts';
import {
  type ExpectationFile,
  type Expectations,
  isSkipped,
  readExpectations,
} from '../stress/igt-expectations.ts';
import { type IgtDriver, type IgtRow, igtRows } from '../stress/igt-list.ts';
import type { Workload } from '../stress/workloads.ts';
import type { ChosenWorkload } from './chosen-workload.ts';

/** Where IGT and what is expected of it come from. */
export interface IgtRequest {
  /** A build of the user's; undefined: Debian's. */
  readonly dir: string | undefined;
  /** A folder of expectations of the user's; undefined: ours. */
  readonly expect: string | undefined;
  readonly cwd: string;
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** True for what `--workload` takes of IGT: `igt` or `igt:PATTERN`. */
export function isIgtName(name: string): boolean {
  return name === 'igt' || name.startsWith('igt:');
}

/** `[DRIVER/]TEST[@SUBTEST]`, with `*` and `?`. */
const patternForm = /^(?:(virtio_gpu|vgem|vkms|none)\/)?([\w*?-]+)(?:@([\w.*?+-]+))?$/;

/** Throws `usage` for an `igt:PATTERN` that is none. */
export function requireIgtName(name: string): void {
  if (name === 'igt' || patternForm.test(name.slice('igt:'.length))) return;
  const text = `--workload ${name}: not igt:[DRIVER/]TEST[@SUBTEST], as igt:kms_atomic, igt:vkms/kms_cursor_crc@*256*`;
  throw new HarnessError('usage', text);
}

/** Milliseconds that a test may take before it is asked whether it hangs; the guest's slowness comes on top (guest/pace.ts). */
const testDurationMs = 60_000;

/** A trial for each test that the names ask for. Throws `usage` for a pattern that fits no test. */
export async function chooseIgt(
  names: readonly string[],
  request: IgtRequest,
): Promise<readonly ChosenWorkload[]> {
  for (const name of names) requireIgtName(name);
  const files = await readFiles(request);
  const image =
    request.dir === undefined
      ? await ensureIgt(request)
      : await ensureOwnIgt(resolve(request.cwd, request.dir), request);
  const rows = names.flatMap((name) => (name === 'igt' ? curated(image) : matching(name, image)));
  const once = new Map(rows.map((row) => [`${row.driver} ${row.test} ${row.only ?? ''}`, row]));
  return [...once.values()].map((row) => chosenTest(row, image, files));
}

/** The smallest test has all libraries that every test has. */
function diskOf({ id, disk }: IgtImage): ToolsDisk {
  const test = [...envOptions('none'), '--', `${igtFolder}/core_getversion`, '--list-subtests'];
  return { id, path: disk, warmUp: ['/bin/tools', ...test] };
}

function envOptions(driver: IgtDriver): readonly string[] {
  const forced = driver === 'none' ? [] : [`IGT_FORCE_DRIVER=${driver}`];
  const env = [...forced, `LD_LIBRARY_PATH=${libraryFolder}`, 'HOME=/tmp'];
  return env.flatMap((one) => ['--env', one]);
}

function curated(image: IgtImage): readonly IgtRow[] {
  return igtRows.filter(({ test }) => image.tests[test] !== undefined);
}

function matching(name: string, image: IgtImage): readonly IgtRow[] {
  const [, driver, test = '', subtest] = patternForm.exec(name.slice('igt:'.length)) ?? [];
  const wanted = globOf(test);
  const only = subtest === undefined ? undefined : globOf(subtest);
  const found = Object.entries(image.tests).filter(
    ([one, subtests]) =>
      wanted.test(one) && (only === undefined || subtests.some((two) => only.test(two))),
  );
  if (found.length === 0) {
    throw new HarnessError('usage', `--workload ${name}: ${image.name} has no such test`);
  }
  return found.flatMap(([one]) => {
    const known = igtRows.filter((row) => row.test === one);
    const drivers = driver === undefined ? known.map((row) => row.driver) : [driver as IgtDriver];
    return (drivers.length === 0 ? (['virtio_gpu'] as const) : drivers).map((each) => {
      const row = known.find((two) => two.driver === each);
      // What was asked for by name need not reach what the whole test reaches.
      const witnesses = only === undefined ? (row?.witnesses ?? []) : [];
      const rest = { driver: each, test: one, witnesses, why: 'asked for by name' };
      return only === undefined ? rest : { ...rest, only };
    });
  });
}

function globOf(pattern: string): RegExp {
  const text = pattern
    .replaceAll(/[.+]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${text}$`);
}

function chosenTest(
  row: IgtRow,
  image: IgtImage,
  files: readonly ExpectationFile[],
): ChosenWorkload {
  const { driver, test } = row;
  const workload: Workload = {
    name: `igt.${driver === 'none' ? '' : `${driver}.`}${test}`,
    program: '/bin/tools',
    args: [],
    witnesses: row.witnesses,
    durationMs: testDurationMs,
    foreign: true,
  };
  return {
    workload,
    disk: diskOf(image),
    forKernel: (version) => testFor({ row, workload, image }, filesOf(files, driver), version),
  };
}

/** The test with the subtests that this kernel's expectations do not skip; undefined where none is left. */
function testFor(
  chosen: { readonly row: IgtRow; readonly workload: Workload; readonly image: IgtImage },
  files: readonly ExpectationFile[],
  version: KernelVersion,
): ChosenWorkload | undefined {
  const { row, workload, image } = chosen;
  const { test, only } = row;
  const expectations = requireReadable(files, version);
  const all = image.tests[test] ?? [];
  const wanted = all.filter((name) => only?.test(name) ?? true);
  const left = wanted.filter((name) => !isSkipped(`${test}@${name}`, expectations));
  const isWhole = all.length === 0;
  if (isWhole ? isSkipped(test, expectations) : left.length === 0) return undefined;
  const args = [
    ...envOptions(row.driver),
    '--',
    `${igtFolder}/${test}`,
    ...(left.length === all.length ? [] : ['--run-subtest', left.join(',')]),
  ];
  return {
    workload: { ...workload, args },
    disk: diskOf(image),
    readTests: (stdout, end) => readIgtEnd({ test, subtests: left, expectations }, stdout, end),
  };
}

function requireReadable(files: readonly ExpectationFile[], version: KernelVersion): Expectations {
  const read = readExpectations(files, version);
  if ('problem' in read) throw new HarnessError('usage', read.problem);
  return read;
}

/** `virtio_gpu-none-fails.txt`, as in the kernel's drivers/gpu/drm/ci/xfails; `any` is for tests that open no device. */
const fileForm = /^(\w+?)(?:-[\w-]+?)?-(fails|flakes|skips)\.txt$/;

async function readFiles(request: IgtRequest): Promise<readonly ExpectationFile[]> {
  const { cwd, expect } = request;
  const dir =
    expect === undefined ? join(packageRoot(), 'guests/igt/expectations') : resolve(cwd, expect);
  const names = await readdir(dir).catch((cause: unknown) => {
    throw new HarnessError('usage', `--igt-expect ${expect ?? dir}: no such folder`, { cause });
  });
  const known = names.filter((name) => fileForm.test(name)).toSorted();
  if (known.length === 0) {
    const text = `--igt-expect ${expect ?? dir}: no file in it is named as DRIVER-fails.txt, -flakes.txt or -skips.txt`;
    throw new HarnessError('usage', text);
  }
  const files = await Promise.all(
    known.map(async (name) => {
      const kind = fileForm.exec(name)?.[2] as ExpectationFile['kind'];
      return { path: join(dir, name), kind, text: await readFile(join(dir, name), 'utf8') };
    }),
  );
  // Lines that cannot be read are said before a kernel is built.
  requireReadable(files, [99, 0]);
  return files;
}

function filesOf(files: readonly ExpectationFile[], driver: IgtDriver): readonly ExpectationFile[] {
  return files.filter(({ path }) => {
    const of = fileForm.exec(path.slice(path.lastIndexOf('/') + 1))?.[1];
    return of === 'any' || of === driver;
  });
}
