import type { Trailers } from './mail.ts';
import type { PassedOver } from './thread-words.ts';

/** Patches that are applied in order. */
export interface Series {
  /** The file, folder or git range (`DIR@A..B`) of the series, as the user named it. */
  readonly name: string;
  readonly patches: readonly Patch[];
  /** Notes about how the input was read, one line each. Absent: no notes. */
  readonly notes?: readonly string[];
  /** The parts of the input that are not tested. Absent: none. */
  readonly passedOver?: readonly PassedOver[];
  /** The cover letter. Absent when there is no cover letter or more than one. */
  readonly cover?: {
    readonly subject: string;
    readonly subjectLine: string;
    readonly messageId?: string;
  };
  /** The base that the mails of the series name. Absent for input without mails. */
  readonly trailers?: Trailers;
  /**
   * True when a list gives the order of the patches, such as a quilt list or a git range. Each patch then belongs to the series,
   * whatever its mail says. Default false.
   */
  readonly listed?: boolean;
  /**
   * True when a series that does not apply is left out, with a note. This is for splat's own driver on a tree for which the driver
   * was not written. Default false.
   */
  readonly optional?: boolean;
  /**
   * True when the tree may already contain the first patches of the series: these are then skipped. This is for a back-port that
   * is tried on many commits. Default false.
   */
  readonly maybeThere?: boolean;
}

export interface Patch {
  /** The number of the patch in the series, from 1, in the order of application. */
  readonly index: number;
  /**
   * The subject without `[PATCH 2/3]`. Without a subject, the name of the file or the id of the commit. One line, no control
   * characters.
   */
  readonly subject: string;
  /** The whole subject line of the mail. Absent: the patch came without a mail. */
  readonly subjectLine?: string;
  /** Path of the file that holds the patch. For a patch of a git range, the range as the user named it. */
  readonly file: string;
  readonly messageId?: string;
  /** `Name <address>`, as the mail has it: escape before printing. */
  readonly author?: string;
  /** The version of the posting, from the subject. Absent: the subject names no version. */
  readonly version?: number;
  /** The version as text. Present only when the number cannot show it: version `2.10` has the number 2.1. */
  readonly versionName?: string;
  /** The unified diff, one character per byte (latin1): a patch may be in any encoding. */
  readonly diff: string;
  /** Line of `file`, from 1, at which the diff begins. Absent: the mail is encoded, or the patch is of a git range. */
  readonly diffLine?: number;
  /**
   * The number of leading path components to strip (-pN of patch(1)), when a quilt list gives it. Absent: 1, or the number that
   * fits the tree.
   */
  readonly strip?: number;
}
