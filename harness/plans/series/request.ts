import type { Source } from '../../kernel/source.ts';
import type { PinnedConfigs, TestKernelRequest } from '../../kernel/test-kernel.ts';
import type { Series } from '../../patch/series.ts';
import type { CommitLabRequest } from '../../trial/ready-kernel.ts';
import type { chooseControls } from './control-workloads.ts';
import type { Limits } from './decide.ts';

/** What `splat series` was asked to do. */
export interface SeriesRequest
  extends CommitLabRequest,
    Omit<
      TestKernelRequest,
      'kernel' | 'source' | 'series' | 'annotations' | 'configs' | 'configBase'
    > {
  /** Each F of `--config F`, and FILE of `--config-base FILE`: read once, with the series. */
  readonly configs: readonly string[];
  readonly configBase: string | undefined;
  /** S: where the series under test is. */
  readonly path: string;
  /** The series itself, when it came on stdin. */
  readonly stdin?: Buffer;
  /** K of `--base K`. */
  readonly base: string;
  /** Each S0 of `--base-series S0`: part of the base. */
  readonly baseSeries: readonly string[];
  /** Names of `--workload W`; empty: the default set. */
  readonly workloads: readonly string[];
  /** Patches that count as detector code whatever they change, from 1. */
  readonly detectors: readonly number[];
  readonly limits: Limits;
  /** Digest of everything that decides the answer besides the patches. */
  readonly key: string;
}

/** The input, read and checked: nothing is built before all of it is known to be there. */
export interface Asked extends ReturnType<typeof chooseControls> {
  readonly series: Series;
  /** The user's part of the base. */
  readonly under: readonly Series[];
  readonly source: Source;
  /** The user's fragments and .config, as they were when the series was read. */
  readonly configs: PinnedConfigs;
  /** What is to be said of the input, a line each. */
  readonly notes: readonly string[];
}
