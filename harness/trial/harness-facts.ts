import { packageVersion } from '../host/package-root.ts';
import type { HarnessFacts } from '../records/harness.ts';
import { signatureScheme } from '../splat/signature.ts';

/** What every record says of who wrote it. */
export function writtenBy(): HarnessFacts {
  return { version: packageVersion(), signatures: signatureScheme };
}

/** Why the signatures of a record are not this splat's; undefined when they are. */
export function otherSignatures({ signatures }: HarnessFacts): string | undefined {
  if (signatures === signatureScheme) return undefined;
  return `its signature rules (${signatures}) differ from those of this splat (${signatureScheme})`;
}
