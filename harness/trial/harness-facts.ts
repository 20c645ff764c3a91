import { packageVersion } from '../host/package-root.ts';
import type { HarnessFacts } from '../records/harness.ts';
import { signatureScheme } from '../splat/signature.ts';

/** The version of this splat and of its signature rules, as every record names them. */
export function writtenBy(): HarnessFacts {
  return { version: packageVersion(), signatures: signatureScheme };
}

/** Why the signatures of a record cannot be compared with those of this splat; undefined when they can. */
export function otherSignatures({ signatures }: HarnessFacts): string | undefined {
  if (signatures === signatureScheme) return undefined;
  return `its signature rules (${signatures}) differ from those of this splat (${signatureScheme})`;
}
