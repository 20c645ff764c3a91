import type { Mail } from './mail.ts';
import {
  bySentTime,
  isAtOnce,
  isOtherSender,
  isWithinAMinute,
  type PassedOver,
  passOver,
  sameWords,
  shown,
} from './thread-words.ts';

/** The unnumbered patches of one version that were chosen. */
interface Loose {
  readonly patches: readonly Mail[];
  readonly passedOver: readonly PassedOver[];
  readonly notes: readonly string[];
  readonly doubt?: string;
}

/**
 * Chooses among the unnumbered patches of a thread. Such patches are a series only when one author sent them at once. A patch by
 * another author is a separate idea and is passed over. A later patch by the same author replaces an earlier patch. `answers` are
 * the patches that answer a mail of the thread. When the patches cannot be chosen, `doubt` explains why.
 */
export function chooseLoose(loose: readonly Mail[], answers: readonly Mail[], name: string): Loose {
  if (loose.length < 2) return { patches: loose, passedOver: [], notes: [] };
  const inOrder = bySentTime(loose);
  const answering = new Set(answers);
  const first = inOrder.find((mail) => !answering.has(mail)) ?? inOrder[0];
  if (first === undefined) return { patches: [], passedOver: [], notes: [] };
  const others = inOrder.filter((mail) => isOtherSender(first, mail));
  const strangers = new Set(others);
  const passedOver = others.map((mail) => passOver(mail, "another author's, sent into the thread"));
  const [batch = [], ...later] = batchesOf(inOrder.filter((mail) => !strangers.has(mail)));
  let patches = batch;
  for (const next of later) {
    const replaced = replace(patches, next, answering);
    if (replaced === undefined) {
      const [one, other] = [patches[0], next[0]].map(
        (mail) => `"${shown(mail?.subjectLine ?? '')}"`,
      );
      const doubt = `${name}: it is not clear whether ${other} continues the series of ${one}, replaces it or is a series of its own`;
      return { patches, passedOver, notes: [], doubt };
    }
    const gone = patches.filter((mail) => !replaced.includes(mail));
    passedOver.push(
      ...gone.map((mail) => passOver(mail, 'sent again, or another in its place, later')),
    );
    patches = replaced;
  }
  return { patches, passedOver, notes: [] };
}

/**
 * Groups of mails that were sent at once, in order. A new group begins at a repeated subject, and at a change to or from RESEND.
 */
function batchesOf(mails: readonly Mail[]): readonly (readonly Mail[])[] {
  const batches: Mail[][] = [];
  let words = new Set<string>();
  for (const mail of mails) {
    const batch = batches.at(-1);
    const last = batch?.at(-1);
    const isNew =
      batch === undefined ||
      last === undefined ||
      !isAtOnce(last, mail) ||
      words.has(sameWords(mail)) ||
      mail.tag.resend !== last.tag.resend;
    if (isNew) {
      batches.push([mail]);
      words = new Set();
    } else batch.push(mail);
    words.add(sameWords(mail));
  }
  return batches;
}

/**
 * Returns `patches` with the mails of `later` in place of the patches that these mails replace. Returns undefined when it is not
 * clear which patch a mail replaces.
 */
function replace(
  patches: readonly Mail[],
  later: readonly Mail[],
  answering: ReadonlySet<Mail>,
): readonly Mail[] | undefined {
  const byWords = new Map(later.map((mail) => [sameWords(mail), mail]));
  // Two patches of one series may have the same subject. Such patches were sent within a minute.
  const isTwin = (mail: Mail): boolean => {
    const other = byWords.get(sameWords(mail));
    const isResend = other === undefined || other.tag.resend || other.diff === mail.diff;
    return !isResend && isWithinAMinute(mail, other);
  };
  if (patches.some(isTwin)) return undefined;
  const known = new Set(patches.map(sameWords));
  if (patches.every((mail) => byWords.has(sameWords(mail)))) return later;
  if (later.every((mail) => known.has(sameWords(mail)))) {
    return patches.map((mail) => byWords.get(sameWords(mail)) ?? mail);
  }
  const isNewTry =
    patches.length === 1 && later.length === 1 && later.every((one) => answering.has(one));
  return isNewTry ? later : undefined;
}
