/** Functions with which the table of controls says what it expects. */
import type { AnnotationState } from '../harness/records/controls.ts';
import type { Control, Expectation, ExpectedSplat } from './seeded-bugs.ts';

export function sleeping(where: string, file: string): ExpectedSplat {
  return { title: `BUG: sleeping function called from invalid context in ${where}`, file };
}

export function deadlock(where: string): ExpectedSplat {
  return { title: `possible deadlock in ${where}` };
}

export function warning(where: string, file: string): ExpectedSplat {
  return { title: `WARNING in ${where}`, file };
}

/** The first version that the driver is for. */
export const since = '5.10';
const without: readonly AnnotationState[] = ['removed'];

/** Silence in every state of the annotations, because nothing is wrong or nothing checks it. */
export function silent(because: string): readonly Expectation[] {
  return [{ from: since, splats: [], because }];
}

/** Seen in every state of the annotations. */
export function always(
  because: string,
  ...splats: readonly ExpectedSplat[]
): readonly Expectation[] {
  return [{ from: since, splats, because }];
}

/** Seen by an annotation of the series, and so not when the annotations are removed. */
export function annotated(
  because: string,
  ...splats: readonly ExpectedSplat[]
): readonly Expectation[] {
  return [
    { from: since, states: without, splats: [], because: 'what sees it is taken out' },
    { from: since, splats, because },
  ];
}

const srcuHole =
  'a lock taken in an hlist callback gets no edge from what is held around it: the SRCU read lock in between hides it';

/** The same, with silence where SRCU's lockdep map is a checked recursive read (6.4 and later): check_prevs_add() stops at it. */
export function behindSrcu(usual: readonly Expectation[]): readonly Expectation[] {
  const hole = {
    from: '6.4',
    states: ['in', 'removed', 'readded'],
    splats: [],
    because: srcuHole,
  } as const;
  return [hole, ...usual];
}

export function cell(
  row: number,
  mode: string,
  where: `${Control['notifier']} ${Control['trigger']}`,
  expectations: readonly Expectation[],
  more: Partial<Pick<Control, 'refusals' | 'timed' | 'rowSince' | 'exists' | 'witness'>> = {},
): Control {
  const [notifier, trigger] = where.split(' ') as [Control['notifier'], Control['trigger']];
  return {
    row,
    mode,
    notifier,
    trigger,
    witness: witnessOf(notifier, trigger),
    expectations,
    ...more,
  };
}

/** The driver's counter of the callbacks that a trigger causes; a registration alone causes none. */
function witnessOf(notifier: Control['notifier'], trigger: Control['trigger']): string {
  const start = notifier === 'hlist' ? 'hlist_start' : 'interval';
  switch (trigger) {
    case 'register':
    case 'idle':
      return 'seeded';
    case 'munmap':
    case 'dontneed':
    case 'reclaim':
      return `${start}_blockable`;
    case 'mrelease':
      return `${start}_nonblockable`;
    case 'oom-memcg':
    case 'oom-global':
      return `${start}_oom_reaper`;
  }
}
