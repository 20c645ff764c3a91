import { HarnessError } from '../errors.ts';
import type { IgtDriver } from '../stress/igt-list.ts';
import { type Workload, workloads } from '../stress/workloads.ts';

/**
 * True for a name with which `--workload` chooses tests of IGT: `igt`, `igt+WORKLOAD`, `igt:PATTERN`, `igt:PATTERN+WORKLOAD`,
 * `igt:order`. What follows `igt` is not checked.
 */
export function isIgtName(name: string): boolean {
  return /^igt(?:$|[:+])/.test(name);
}

/**
 * True for `igt` and `igt+WORKLOAD`, which stand for all tests in splat's list of IGT tests. A test of the list that cannot run
 * does not decide the verdict. Throws `usage` for a name of IGT tests that parseIgtName() refuses.
 */
export function isIgtList(name: string): boolean {
  return isIgtName(name) && parseIgtName(name).kind === 'curated';
}

/** The parts of a name such as `igt:vkms/kms_atomic@*+reclaim`. */
export interface IgtAsked {
  readonly name: string;
  /**
   * `curated`: all tests of splat's list, each in its own guest. `order`: all tests of splat's list, in one guest. `pattern`: the
   * tests whose names match.
   */
  readonly kind: 'curated' | 'order' | 'pattern';
  readonly driver?: IgtDriver;
  /** The pattern for the names of tests; empty for `curated`, and the word `order` for `order`. */
  readonly test: string;
  readonly subtest?: string;
  /** The workload that runs beside the tests. Absent: no workload. */
  readonly beside?: Workload;
}

/** The form `igt[:[DRIVER/]TEST[@SUBTEST]][+WORKLOAD]`. In TEST and SUBTEST `*` and `?` are wildcards. */
const nameForm =
  /^igt(?::(?:(virtio_gpu|vgem|vkms|none)\/)?([\w*?-]+)(?:@([\w.*?-]+))?)?(?:\+([\w-]+))?$/;

/**
 * Parses a name of IGT tests, such as `igt:vkms/kms_atomic@*+reclaim`. Throws `usage` for a name of another form, for `igt:order`
 * with a driver, a subtest or a workload, and for an unknown workload.
 */
export function parseIgtName(name: string): IgtAsked {
  const [whole, driver, test = '', subtest, besideName] = nameForm.exec(name) ?? [];
  const beside = workloads.find((one) => one.name === besideName);
  const kind = test === '' ? 'curated' : test === 'order' ? 'order' : 'pattern';
  if (whole === undefined || (kind === 'order' && whole !== 'igt:order')) {
    const text = `--workload ${name}: not igt, igt:order or igt:[DRIVER/]TEST[@SUBTEST], such as igt:kms_atomic or igt:vkms/kms_cursor_crc@*256*; +WORKLOAD may follow igt or a test`;
    throw new HarnessError('usage', text);
  }
  if (besideName !== undefined && beside === undefined) {
    const known = workloads.map((one) => one.name).join(', ');
    throw new HarnessError(
      'usage',
      `--workload ${name}: there is no workload ${besideName}; the workloads are ${known}`,
    );
  }
  return {
    name,
    kind,
    test,
    ...(driver === undefined ? {} : { driver: driver as IgtDriver }),
    ...(subtest === undefined ? {} : { subtest }),
    ...(beside === undefined ? {} : { beside }),
  };
}
