import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { described, type Recorded, texts } from './schema.ts';

/** The path of a copy in the run directory. A stranger may have written the path, so it must not lead out of the directory. */
const insidePath = v.pipe(v.string(), v.regex(/^inputs(?:\/(?!\.\.)[^/]+)+$/));

/** A file or folder that the user named, and its copy in the run directory. */
const keptSchema = v.object({
  name: described(v.string(), 'As it was asked for.'),
  copy: described(
    v.nullable(insidePath),
    'Null for what is ours: the name of a workload of the table or of an optional fragment.',
  ),
});

/**
 * The programs that compile and link a kernel (Documentation/kbuild/llvm.rst). `splat replay` starts these programs on the host,
 * and a stranger may have written the record. So only names of compilers are allowed, never paths or command lines.
 */
export const toolchainSchema = v.variant('kind', [
  v.object({
    kind: v.literal('compiler'),
    cc: described(
      v.pipe(v.string(), v.regex(/^(?:gcc|clang)(?:-[0-9]+(?:\.[0-9]+)*)?$/)),
      '`gcc-11`, with the linker and the rest of binutils.',
    ),
  }),
  v.object({
    kind: v.literal('llvm'),
    suffix: described(
      v.pipe(v.string(), v.regex(/^(?:-[0-9]+)?$/)),
      '`-19` of clang-19 and ld.lld-19; empty for what has no suffix.',
    ),
  }),
]);

/** The name of a Debian package (Debian policy, 5.6.7). The name is an argument of apt-get, so it must not look like an option. */
export const debianPackageSchema = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9+.-]+$/));

/** Returns the schema of a whole number within the limits of its flag of `splat run`. */
function whole(least: number, most: number) {
  return v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
}

/** The command line of `splat run`, with its defaults filled in. */
export const recordedRequestSchema = v.object({
  kernel: v.string(),
  cwd: described(v.string(), 'Where a relative `kernel` is relative to.'),
  series: v.array(keptSchema),
  configs: v.array(keptSchema),
  configBase: v.nullable(keptSchema),
  toolchain: v.exactOptional(described(toolchainSchema, 'Absent: gcc.')),
  modules: v.exactOptional(described(v.array(keptSchema), 'Of --module; absent: none.')),
  guest: described(
    v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]*(?::[a-z]+)?$/)),
    '`minimal`, `debian` or `debian:CODENAME`.',
  ),
  packages: v.exactOptional(
    described(
      v.array(debianPackageSchema),
      'Packages of Debian that the guest has besides; absent: none.',
    ),
  ),
  workloads: v.array(keptSchema),
  workloadArgs: described(texts, "Arguments of the user's own workloads."),
  igt: v.exactOptional(
    described(v.string(), "A build of IGT of the user's; absent: Debian's, or none."),
  ),
  igtExpect: v.exactOptional(
    described(keptSchema, 'What was expected of its tests; absent: ours.'),
  ),
  baseline: v.nullable(keptSchema),
  gpu: v.exactOptional(
    described(
      v.picklist(['virtio', 'virgl', 'none', 'venus', 'native-context']),
      'As `--gpu` takes it; absent: virtio.',
    ),
  ),
  accel: v.picklist(['auto', 'kvm', 'tcg']),
  memoryMiB: whole(1, 65_536),
  cpus: whole(1, 8),
  seed: whole(0, 2 ** 32 - 1),
  repeat: whole(1, 10_000),
  cold: v.boolean(),
  quick: v.exactOptional(
    described(v.boolean(), 'The short set of workloads; absent: all, or those named.'),
  ),
  coverage: v.exactOptional(described(v.boolean(), 'What ran was counted; absent: it was not.')),
  durationMs: v.nullable(whole(1, 43_200_000)),
  trials: described(v.nullable(texts), 'Ids of the trials to run; null for all.'),
});

/** run.json: everything that is needed to repeat a run. The paths of copies are relative to the run directory. */
export const runRecordSchema = v.object({
  schema: v.literal('splat-replay/1'),
  harness: harnessField,
  runId: v.exactOptional(
    described(v.string(), 'Of its events; absent in records of before they had one.'),
  ),
  startedAt: described(v.string(), 'ISO 8601, UTC.'),
  request: recordedRequestSchema,
});

export type Toolchain = Recorded<typeof toolchainSchema>;
export type Kept = Recorded<typeof keptSchema>;
export type RecordedRequest = Recorded<typeof recordedRequestSchema>;
export type RunRecord = Recorded<typeof runRecordSchema>;
