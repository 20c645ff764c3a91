import { packageVersion } from '../host/package-root.ts';
import type { HarnessFacts } from '../records/harness.ts';
import { signatureScheme } from '../splat/signature.ts';

/** Returns this program's version and the version of its rules for signatures of splats. Every record has both. */
export function writtenBy(): HarnessFacts {
  return { version: packageVersion(), signatures: signatureScheme };
}

/** Returns why a record's signatures cannot be compared with those of this program; returns undefined when they can. */
export function otherSignatures({ signatures }: HarnessFacts): string | undefined {
  if (signatures === signatureScheme) return undefined;
  return `its signature rules (${signatures}) differ from those of this splat (${signatureScheme})`;
}
