import * as v from 'valibot';
import { coverageFactsSchema } from './coverage.ts';
import { seenSplatSchema } from './finding.ts';
import { harnessField } from './harness.ts';
import { lockNewsSchema } from './lock-order.ts';
import { described, type Recorded, texts } from './schema.ts';
import { storeOriginSchema } from './store.ts';
import { trialResultSchema } from './trial.ts';
import { verdictSchema } from './verdict.ts';

const kernelFactsSchema = v.object({
  id: described(
    v.pipe(v.string(), v.regex(/^\w{1,64}$/)),
    "The kernel's key in the cache: 32 hexadecimal digits.",
  ),
  source: v.string(),
  release: v.string(),
  compiler: v.string(),
  sandbox: v.string(),
  fromCache: v.boolean(),
  imageDigest: described(v.string(), 'SHA-256 of the image, and of the modules where it has any.'),
  vmlinux: v.string(),
  fragments: v.exactOptional(
    described(
      v.record(v.string(), v.string()),
      'By name, the digests of the demands of each fragment it was configured with, and of the file of --config-base. Absent: it was found by its id alone.',
    ),
  ),
  store: v.exactOptional(
    described(
      storeOriginSchema,
      'The shared store that the kernel was fetched from, now or by an earlier run; absent: it was compiled on this host.',
    ),
  ),
});

const moduleFactsSchema = v.object({
  name: v.string(),
  folder: described(
    v.nullable(v.string()),
    "Name of the folder of --module; null for a module of the kernel's tree.",
  ),
  taint: described(v.string(), 'Letters of tainted-kernels.rst: `O` was built out of tree.'),
  functions: described(
    v.number(),
    'Functions whose calls were counted; 0 for a module of the tree.',
  ),
  ran: described(texts, 'Those that ran in a trial, after the module was loaded.'),
});

const baselineFactsSchema = v.object({
  run: described(v.string(), 'As it was asked for.'),
  harness: harnessField,
  trusted: described(
    v.boolean(),
    'False: its signatures are made by other rules than ours, and no splat of it is taken for known.',
  ),
});

const runTimingsSchema = v.object({
  kernelMs: v.number(),
  bootMs: v.number(),
  trialsMs: v.number(),
  totalMs: v.number(),
  harnessCpuSeconds: described(
    v.number(),
    'User and system time of the harness, without its children.',
  ),
});

/** The file result.json, which `splat run --json` also prints. Times with names in `Ms` are milliseconds of the host's clock. */
export const runResultSchema = v.object({
  schema: v.literal('splat-run/1'),
  harness: harnessField,
  verdict: verdictSchema,
  kernel: described(v.nullable(kernelFactsSchema), 'Null when the kernel could not be built.'),
  accel: v.nullable(v.string()),
  accelReason: v.nullable(v.string()),
  bootSplats: described(
    v.array(seenSplatSchema),
    "Splats of the boots, before any trial; they are in every copy's past.",
  ),
  trials: v.array(trialResultSchema),
  unchecked: v.exactOptional(
    described(
      texts,
      'What this kernel was seen not to check, by a canary that it missed as it is known to; absent: nothing that is known.',
    ),
  ),
  modules: v.exactOptional(
    described(
      v.array(moduleFactsSchema),
      'Modules that were loaded before the workloads, in this order; absent: none.',
    ),
  ),
  coverage: v.exactOptional(
    described(
      v.nullable(coverageFactsSchema),
      'The last coverage run of this kernel with this version of splat; null: none. Absent: the record is of before it was noted, or no trial ran.',
    ),
  ),
  locks: described(v.nullable(lockNewsSchema), 'What lockdep learned; null when no trial ran.'),
  baseline: v.exactOptional(
    described(baselineFactsSchema, 'What --baseline named; absent: nothing.'),
  ),
  seed: v.number(),
  timings: runTimingsSchema,
});

export type BaselineFacts = Recorded<typeof baselineFactsSchema>;
export type ModuleFacts = Recorded<typeof moduleFactsSchema>;
export type KernelFacts = Recorded<typeof kernelFactsSchema>;
export type RunResult = Recorded<typeof runResultSchema>;
