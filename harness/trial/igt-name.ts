import { HarnessError } from '../errors.ts';
import type { IgtDriver } from '../stress/igt-list.ts';
import { type Workload, workloads } from '../stress/workloads.ts';

/**
 * True for the names of IGT tests that `--workload` takes: `igt` and `igt:PATTERN`, both also with `+WORKLOAD`, and `igt:order`.
 * The rest of such a name is not checked.
 */
export function isIgtName(name: string): boolean {
  return /^igt(?:$|[:+])/.test(name);
}

/**
 * True for a name that stands for splat's whole list: `igt` and `igt+WORKLOAD`. When a test of the list cannot run, that does not
 * decide the verdict. Throws `usage` for a name of IGT tests that parseIgtName() refuses.
 */
export function isIgtList(name: string): boolean {
  return isIgtName(name) && parseIgtName(name).kind === 'curated';
}

/** The parts of a name such as `igt:vkms/kms_atomic@*+reclaim`. */
export interface IgtAsked {
  readonly name: string;
  /**
   * `curated`: the tests of splat's list, each in its own guest. `order`: all tests of the list in one guest. `pattern`: tests by
   * name.
   */
  readonly kind: 'curated' | 'order' | 'pattern';
  readonly driver?: IgtDriver;
  /** The pattern for tests; empty for `curated`. */
  readonly test: string;
  readonly subtest?: string;
  /** The workload that runs beside the tests; absent for none. */
  readonly beside?: Workload;
}

/** The form `igt[:[DRIVER/]TEST[@SUBTEST]][+WORKLOAD]`. In TEST and SUBTEST `*` and `?` are wildcards. */
const nameForm =
  /^igt(?::(?:(virtio_gpu|vgem|vkms|none)\/)?([\w*?-]+)(?:@([\w.*?-]+))?)?(?:\+([\w-]+))?$/;

/**
 * Parses the name of IGT tests. Throws `usage` for another form, for `igt:order` with a driver, a subtest or a workload, and for
 * an unknown workload.
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
