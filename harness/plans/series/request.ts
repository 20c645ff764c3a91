import type { Source } from '../../kernel/source.ts';
import type { PinnedConfigs, TestKernelRequest } from '../../kernel/test-kernel.ts';
import type { Series } from '../../patch/series.ts';
import type { CommitTrialsRequest } from '../../trial/ready-kernel.ts';
import type { chooseControls } from './control-workloads.ts';
import type { Limits } from './decide.ts';
import type { PreviousSeries } from './previous.ts';

/** The options of `splat series`. */
export interface SeriesRequest
  extends CommitTrialsRequest,
    Omit<
      TestKernelRequest,
      'kernel' | 'source' | 'series' | 'annotations' | 'configs' | 'configBase'
    > {
  /** The values of `--config`. The files are read once, together with the series. */
  readonly configs: readonly string[];
  /** The value of `--config-base`, a file that is read once, together with the series; undefined without this option. */
  readonly configBase: string | undefined;
  /** The series under test, as it was written on the command line. */
  readonly path: string;
  /** The bytes of the series if it came on stdin; absent for a series that has a path. */
  readonly stdin?: Buffer;
  /** The value of `--base`, as it was written on the command line. */
  readonly base: string;
  /** The values of `--base-series`: series that belong to the base. */
  readonly baseSeries: readonly string[];
  /** The values of `--workload`; empty: the default set. */
  readonly workloads: readonly string[];
  /** The values of `--detector`: numbers, from 1, of patches that count as detector code, whatever they change. */
  readonly detectors: readonly number[];
  readonly limits: Limits;
  /** The value of `--previous`: the folder of an earlier version of the series. Absent without this option. */
  readonly previous?: string;
  /**
   * The digest of the options that decide the kernels and the trials, except the source and the patches. The digest leaves out
   * --repeat, --confidence and --detector, which may change when a journal is continued.
   */
  readonly key: string;
}

/** The inputs of `splat series`, read and checked before anything is built. */
export interface SeriesInputs extends ReturnType<typeof chooseControls> {
  readonly series: Series;
  /** The series of `--base-series`, which belong to the base. */
  readonly under: readonly Series[];
  readonly source: Source;
  /** The earlier version of the series, from `--previous`; absent without this option. */
  readonly previous?: PreviousSeries;
  /** The user's config fragments and .config, as they were when the series was read. */
  readonly configs: PinnedConfigs;
  /** Notes about the input, one line each. */
  readonly notes: readonly string[];
}
