import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';
import { storeOriginSchema } from './store.ts';

/** A message of the compiler, assembler, linker or modpost. */
export const diagnosticSchema = v.object({
  severity: v.picklist(['error', 'warning']),
  place: described(v.string(), '`mm/mmap.c:12`, or the tool when no line is named.'),
  text: v.string(),
});

/** The build of a kernel in a series. */
export const reportedBuildSchema = v.object({
  kernel: described(v.string(), 'The key of the kernel in the store.'),
  image: described(v.string(), 'SHA-256 of the image.'),
  release: v.string(),
  compiler: v.string(),
  sandbox: v.string(),
  objects: described(
    v.number(),
    'Objects compiled; of a kernel that was in the store, when it was made.',
  ),
  cpuSeconds: described(v.number(), 'What compiling them took.'),
  fromCache: v.boolean(),
  store: v.exactOptional(
    described(storeOriginSchema, 'The shared store that the kernel was fetched from.'),
  ),
});

export type Diagnostic = Recorded<typeof diagnosticSchema>;
export type ReportedBuild = Recorded<typeof reportedBuildSchema>;
