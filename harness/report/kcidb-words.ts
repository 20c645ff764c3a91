import type { Kcidb } from '../records/kcidb.ts';
import { plainLines } from './plain.ts';

/** The schema of every document here. */
export const kcidbVersion = { major: 5, minor: 3 } as const;

/** KCIDB's limit for a part of a log, in characters (`log_excerpt`). */
export const longestExcerpt = 16_384;

/** A part of a test's path and id. */
export function wordOf(name: string): string {
  return name.replaceAll(/[^\w-]/g, '_') || '_';
}

/** What makes two splats one issue. */
export function issueKey({ signature, title }: Complaint): string {
  return signature || title;
}

interface Complaint {
  readonly signature: string;
  readonly title: string;
}

/** The issue of a splat, with one id in every document that shows it. `digest` is the SHA-256 of a text. */
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
