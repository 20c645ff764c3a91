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
  /** Each F of `--config F`. It is read once, together with the series. */
  readonly configs: readonly string[];
  /** FILE of `--config-base FILE`, which is read once, together with the series; undefined without this flag. */
  readonly configBase: string | undefined;
  /** S of `splat series S`, the series under test, as the user typed it. */
  readonly path: string;
  /** The bytes of the series when it came on stdin; absent when it did not. */
  readonly stdin?: Buffer;
  /** The kernel of `--base`, as the user typed it. */
  readonly base: string;
  /** Each S0 of `--base-series S0`, which is part of the base. */
  readonly baseSeries: readonly string[];
  /** Names of `--workload W`; empty: the default set. */
  readonly workloads: readonly string[];
  /** Each N of `--detector N`: indices, from 1, of patches that count as detector code whatever they change. */
  readonly detectors: readonly number[];
  readonly limits: Limits;
  /** RUN of `--previous RUN`: the folder of an earlier version of the series. Absent without this flag. */
  readonly previous?: string;
  /**
   * The digest of the options that decide the kernels and the trials, except the source and the patches. --repeat, --confidence
   * and --detector are not in it: they may change when a journal is continued.
   */
  readonly key: string;
}

/** The input, read and checked before anything is built. */
export interface SeriesInputs extends ReturnType<typeof chooseControls> {
  readonly series: Series;
  /** The series of `--base-series`. */
  readonly under: readonly Series[];
  readonly source: Source;
  /** The earlier version of the series, from `--previous RUN`; absent without this flag. */
  readonly previous?: PreviousSeries;
  /** The contents of the user's fragments and .config when the series was read. */
  readonly configs: PinnedConfigs;
  /** Notes about the input, one line each. */
  readonly notes: readonly string[];
}
