import { packageVersion } from '../host/package-root.ts';
import type { HarnessFacts } from '../records/harness.ts';
import { signatureScheme } from '../splat/signature.ts';

/** The version of this splat, and the version of its rules for signatures of splats. Every record has both. */
export function writtenBy(): HarnessFacts {
  return { version: packageVersion(), signatures: signatureScheme };
}

/** Why the signatures of a record cannot be compared with those of this splat; undefined when they can. */
export function otherSignatures({ signatures }: HarnessFacts): string | undefined {
  if (signatures === signatureScheme) return undefined;
  return `its signature rules (${signatures}) differ from those of this splat (${signatureScheme})`;
}
