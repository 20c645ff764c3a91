import type { Trailers } from './mail.ts';
import type { PassedOver } from './thread-words.ts';

/** Patches that are applied in order. */
export interface Series {
  /** As a person names it: the file or folder it came from. */
  readonly name: string;
  readonly patches: readonly Patch[];
  /** What is to be said of how it was read, a line each. Absent: nothing. */
  readonly notes?: readonly string[];
  /** What of the input is not tested. Absent: nothing. */
  readonly passedOver?: readonly PassedOver[];
  /** Of a thread that has a cover letter. */
  readonly cover?: {
    readonly subject: string;
    readonly subjectLine: string;
    readonly messageId?: string;
  };
  /** What it says of its base; absent for what came without mail headers. */
  readonly trailers?: Trailers;
  /** Somebody wrote the order of its patches down: each stands for itself, whatever its mail says. Default false. */
  readonly listed?: boolean;
  /** Left out, and said so, when it does not apply: our own driver on a tree it was not written for. Default false. */
  readonly optional?: boolean;
  /** The tree may have the first of its patches, or all: those are passed over. A back-port over many commits. Default false. */
  readonly maybeThere?: boolean;
}

export interface Patch {
  /** From 1, in the order of application. */
  readonly index: number;
  /** Without `[PATCH 2/3]`; the file name when there is none. One line, no control characters. */
  readonly subject: string;
  /** With it, as the mail has it. Absent: it is of no mail. */
  readonly subjectLine?: string;
  /** Where it was read from. */
  readonly file: string;
  readonly messageId?: string;
  /** `Name <address>`, as the mail has it: escape before printing. */
  readonly author?: string;
  /** Of the series it was posted in. Absent: nothing says so. */
  readonly version?: number;
  /** The unified diff, one character per byte (latin1): a patch may be in any encoding. */
  readonly diff: string;
  /** The line of `file`, from 1, at which the diff begins. Absent: it is encoded there. */
  readonly diffLine?: number;
  /** Parts of a path that patch(1) is to take off, where the list of a queue says so. Absent: 1, or what the tree shows. */
  readonly strip?: number;
}
