/** What lockdep knows and says, as data (Documentation/locking/lockdep-design.rst). */

/** A call site, `rtnl_lock+0x17/0x20`. */
export interface LockSite {
  /** Without compiler suffixes. */
  readonly function: string;
  readonly symbol: string;
  readonly offset?: number;
  readonly size?: number;
}

/** A lock class as printed, `(&xt[i].mutex){+.+.}-{3:3}`. */
export interface LockClass {
  /** `&xt[i].mutex`; `/1` is a nesting level, `#2` tells classes of one name apart within a boot. */
  readonly name: string;
  /** One character each for hardirq, hardirq-read, softirq, softirq-read: `.` `-` `+` `?`. */
  readonly usage?: string;
  /** Outer and inner wait type, `3:3` (Linux 5.7 and later). */
  readonly waitTypes?: string;
  readonly marks: readonly UsageMark[];
}

/** How a class came to a usage: `IN-HARDIRQ-W`, `HARDIRQ-ON-W`, `INITIAL USE` ... and the stack that did it. */
export interface UsageMark {
  readonly usage: string;
  readonly stack: readonly LockSite[];
}

/** A lock in somebody's hands, or wanted by him. */
export interface LockHolding {
  readonly lock: string;
  readonly role: 'wanted' | 'held' | 'listed';
  readonly site?: LockSite;
  /** `comm/pid` */
  readonly task?: string;
}

/** `lock` was acquired while `holding` was held, at `stack`. */
export interface LockEdge {
  readonly holding: string;
  readonly lock: string;
  readonly stack: readonly LockSite[];
}

export type LockReportKind =
  | 'circular'
  | 'recursive'
  | 'irq-inversion'
  | 'inconsistent'
  | 'wait-context'
  | 'unbalanced'
  | 'other';

export interface LockGraph {
  readonly kind: LockReportKind;
  readonly classes: readonly LockClass[];
  readonly holdings: readonly LockHolding[];
  readonly edges: readonly LockEdge[];
  /** The classes of the cycle, canonical names in canonical rotation; for an inconsistency the class and its two usages. */
  readonly cycle: readonly string[];
  /** Equal for one bug whichever thread closed the cycle and whichever lock the report starts from. */
  readonly signature: string;
}
