import type { Kcidb } from '../records/kcidb.ts';
import { plainLines } from './plain.ts';

/** The version of KCIDB's schema that all documents use. */
export const kcidbVersion = { major: 5, minor: 3 } as const;

/** KCIDB's limit for an excerpt of a log (`log_excerpt`), in characters. */
export const longestExcerpt = 16_384;

/**
 * Converts a name to a part of a test's path and id in KCIDB: every character that is no letter, digit, `_` or `-` becomes `_`.
 */
export function wordOf(name: string): string {
  return name.replaceAll(/[^\w-]/g, '_') || '_';
}

/** Returns the key by which splats become issues of KCIDB: two splats with the same key are one issue. */
export function issueKey({ signature, title }: Complaint): string {
  return signature || title;
}

interface Complaint {
  readonly signature: string;
  readonly title: string;
}

/** Returns the KCIDB issue for a splat, which has the same id in every document. `digest` returns the SHA-256 of a text. */
export function issueOf(
  splat: Complaint,
  { origin, digest }: { readonly origin: string; readonly digest: (text: string) => string },
): NonNullable<Kcidb['issues']>[number] {
  return {
    id: `${origin}:splat-${digest(issueKey(splat)).slice(0, 32)}`,
    version: 1,
    origin,
    comment: plainLines(splat.title),
    culprit: { code: true, tool: false, harness: false },
  };
}
