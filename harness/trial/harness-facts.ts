import { packageVersion } from '../host/package-root.ts';
import type { HarnessFacts } from '../records/harness.ts';
import { signatureScheme } from '../splat/signature.ts';

/** What every record says of who wrote it. */
export function writtenBy(): HarnessFacts {
  return { version: packageVersion(), signatures: signatureScheme };
}
