import type { Finding, SeenSplat } from '../records/finding.ts';
import { scanLog } from '../splat/scanner.ts';
import { isSplat } from './findings.ts';

/** A splat whose title or signature differs between today's rules and the rules with which the splat was recorded. */
export interface RenamedSplat {
  readonly before: Pick<SeenSplat, 'title' | 'signature'>;
  readonly now: Pick<SeenSplat, 'title' | 'signature'>;
  /** The line of the console, counted from 1, with which the recorded report begins. */
  readonly line: number;
}

/** How the splats that a trial recorded compare with those that today's rules find on its console. */
export interface ComparedRules {
  readonly renamed: readonly RenamedSplat[];
  /** The recorded splats that have the same title and signature by today's rules. */
  readonly kept: readonly Pick<SeenSplat, 'title' | 'signature'>[];
  /** The recorded splats that today's rules do not find. */
  readonly gone: readonly SeenSplat[];
  /** The splats that today's rules find and that were not recorded. */
  readonly appeared: readonly Finding[];
}

/**
 * Compares the splats that a trial recorded with those that today's rules find on the same console. A recorded splat and a found
 * splat are the same report when they begin at the same byte, or when the recorded splat begins inside the found one. Of several
 * equal reports only the first was recorded, so only the first is compared.
 */
export function compareRules(
  recorded: readonly SeenSplat[],
  found: readonly Finding[],
): ComparedRules {
  const today = found.filter(isSplat);
  const renamed: RenamedSplat[] = [];
  const kept: ComparedRules['kept'][number][] = [];
  const gone: SeenSplat[] = [];
  const accounted = new Set<string>();
  for (const before of recorded) {
    // A recorded splat with line 0 was not on the console (end-finding.ts): the guest was lost, or the workload reported the
    // splat.
    if (before.line === 0) continue;
    const { start } = before.bytes;
    const now =
      today.find((one) => one.bytes.start === start) ??
      today.find(({ bytes }) => bytes.start < start && start < bytes.end);
    if (now === undefined) {
      gone.push(before);
      continue;
    }
    accounted.add(now.signature);
    const [{ title, signature }, line] = [now, before.line];
    if (signature === before.signature && title === before.title) {
      kept.push({ title, signature });
      continue;
    }
    renamed.push({
      before: { title: before.title, signature: before.signature },
      now: { title, signature },
      line,
    });
  }
  return {
    renamed,
    kept,
    gone,
    appeared: today.filter(({ signature }) => !accounted.has(signature)),
  };
}

/**
 * Compares each splat that a boot showed with what today's rules find in the splat's recorded text, because a run keeps no console
 * of its boots. Leaves out splats with events: their titles may come from lines before their text.
 */
export function compareTexts(recorded: readonly SeenSplat[]): ComparedRules {
  const compared = recorded
    .filter(({ events = [] }) => events.length === 0)
    .map((before) => {
      const found = scanLog(before.text.join('\n')).filter(isSplat);
      const bytes = found[0]?.bytes ?? { start: 0, end: 0 };
      return compareRules([{ ...before, bytes }], found.slice(0, 1));
    });
  return {
    renamed: compared.flatMap(({ renamed }) => renamed),
    kept: compared.flatMap(({ kept }) => kept),
    gone: compared.flatMap(({ gone }) => gone),
    appeared: [],
  };
}
