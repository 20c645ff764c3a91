import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

const word = v.pipe(v.string(), v.nonEmpty());
const words = v.pipe(v.array(word), v.minLength(1));
/**
 * A word, or several words that belong together, for example two series to apply one after the other. The empty list stands for no
 * series or no fragment.
 */
const bundle = v.union([word, v.array(word)]);
const bundles = v.pipe(v.array(bundle), v.minLength(1));
const whole = (low: number, high: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(low), v.maxValue(high));
const memory = whole(512, 65_536);
const processors = whole(1, 8);
const oneOrMore = <S extends v.GenericSchema>(schema: S) =>
  v.union([schema, v.pipe(v.array(schema), v.minLength(1))]);

const accelSchema = v.picklist(['auto', 'kvm', 'tcg']);

/**
 * A pattern for cells of a matrix (each a combination of kernel, guest and workload). A key with a list matches each value of the
 * list; but a list for `series` or `config` is a single value. An absent key matches everything.
 */
const cellPatternSchema = v.strictObject({
  kernel: v.exactOptional(oneOrMore(word)),
  series: v.exactOptional(bundle),
  config: v.exactOptional(bundle),
  arch: v.exactOptional(oneOrMore(word)),
  accel: v.exactOptional(oneOrMore(accelSchema)),
  guest: v.exactOptional(oneOrMore(word)),
  gpu: v.exactOptional(oneOrMore(word)),
  memoryMib: v.exactOptional(oneOrMore(memory)),
  cpus: v.exactOptional(oneOrMore(processors)),
  workload: v.exactOptional(oneOrMore(word)),
});

const retentionSchema = v.strictObject({
  nights: v.exactOptional(
    described(whole(1, 100_000), 'The newest nights, with the one that runs.'),
  ),
  days: v.exactOptional(described(whole(1, 100_000), 'Nights that began so long ago.')),
  gib: v.exactOptional(
    described(v.pipe(v.number(), v.minValue(0.001), v.maxValue(1_000_000)), 'GiB, of all nights.'),
  ),
});

/**
 * A matrix file, in YAML. Its cells are all combinations of its lists (of kernels, guests, workloads and so on) that `exclude` does
 * not name, and the cells that `include` names. A night runs as many cells as its budget allows. The file may come from a stranger,
 * so it can name no command, no queue and no store. Paths are relative to the file.
 */
export const matrixSchema = v.strictObject({
  schema: v.literal('splat-matrix/1'),
  kernels: described(words, 'As --kernel takes them: debian:X.Y, DIR, DIR@REV or a tarball.'),
  series: v.exactOptional(
    described(
      bundles,
      'As --series takes them: each item is a series, or a list of series to apply one after the other; [] is none. Default [[]].',
    ),
  ),
  configs: v.exactOptional(
    described(
      bundles,
      'As --config takes them: each item is a fragment, or a list of fragments to merge; [] is none. Default [[]].',
    ),
  ),
  configBase: v.exactOptional(described(word, 'As --config-base takes it, for all kernels.')),
  archs: v.exactOptional(described(words, 'Default [x86-64].')),
  accels: v.exactOptional(
    described(v.pipe(v.array(accelSchema), v.minLength(1)), 'Default [auto].'),
  ),
  guests: v.exactOptional(described(words, 'Default [minimal].')),
  gpus: v.exactOptional(described(words, 'Default [virtio].')),
  memoryMib: v.exactOptional(
    described(v.pipe(v.array(memory), v.minLength(1)), 'Memory of a guest in MiB. Default [1024].'),
  ),
  cpus: v.exactOptional(
    described(v.pipe(v.array(processors), v.minLength(1)), 'CPUs of a guest. Default [2].'),
  ),
  workloads: v.exactOptional(
    described(
      words,
      'As --workload takes them. Absent: all of ours; one that a kernel cannot run is then told and decides nothing.',
    ),
  ),
  repeat: v.exactOptional(described(whole(1, 1000), 'Trials of each cell. Default 1.')),
  budget: v.exactOptional(
    described(
      v.pipe(v.number(), v.minValue(1), v.maxValue(100_000)),
      'Minutes that a night may take. Absent: as long as it takes.',
    ),
  ),
  include: v.exactOptional(
    described(
      v.array(cellPatternSchema),
      'Cells besides: a key that is left out takes every value of its list.',
    ),
  ),
  exclude: v.exactOptional(
    described(v.array(cellPatternSchema), 'Cells of the product that are not wanted.'),
  ),
  bisect: v.exactOptional(
    described(
      v.boolean(),
      'True: a night bisects each splat that is new or back, within what is left of the budget. Default false.',
    ),
  ),
  known: v.exactOptional(described(word, 'The file of known issues.')),
  history: v.exactOptional(
    described(
      word,
      'The database of all nights. Default splat-history.db beside the matrix; in a kernel tree, a file below $XDG_STATE_HOME/splat.',
    ),
  ),
  retention: v.exactOptional(
    described(
      retentionSchema,
      'What of the nights before stays on the disk, whatever is reached first; runs that show an open splat do always. Absent: all.',
    ),
  ),
});

export type Matrix = Recorded<typeof matrixSchema>;
export type Retention = Recorded<typeof retentionSchema>;
export type CellPattern = Recorded<typeof cellPatternSchema>;
