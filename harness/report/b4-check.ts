import type { ReportedPatch, SeriesReport } from '../records/series.ts';
import { plain } from './plain.ts';

/** A result in the check protocol of `b4 review`: the checker gets a patch on stdin and prints a list of results on stdout. */
export interface B4Check {
  readonly tool: 'splat';
  readonly status: 'pass' | 'warn' | 'fail';
  readonly summary: string;
  readonly url?: string;
  readonly details?: string;
}

/**
 * Returns one check for each patch. `fail`: the patch introduces a splat, or breaks a build or boot of its predecessor. `warn`: the
 * patch exposes an old splat, which is not the patch's fault, or nothing is proved about the patch. `pass`: anything else. When the
 * base is broken, returns a single `warn`.
 */
export function formatB4Checks({ patches, base }: SeriesReport): readonly B4Check[] {
  if (base.state === 'broken') {
    return [{ tool: 'splat', status: 'warn', summary: plain(`the base: ${base.because ?? ''}`) }];
  }
  return patches.map((patch) => {
    const { verdict, because, splats, index } = patch;
    const titles = splats.map(({ title }) => title).join('; ');
    const what = [verdict, titles || because].filter((text) => text).join(': ');
    const prefix = patches.length === 1 ? '' : `patch ${index}: `;
    const details = splats.flatMap(({ report }) => [...report, '']).map(plain);
    return {
      tool: 'splat',
      status: statusOf(patch),
      summary: plain(`${prefix}${what}`),
      ...(details.length === 0 ? {} : { details: details.join('\n') }),
    };
  });
}

function statusOf({ verdict, breaks }: ReportedPatch): B4Check['status'] {
  switch (verdict) {
    case 'introduces':
      return 'fail';
    case 'untestable':
      return breaks ? 'fail' : 'warn';
    case 'exposes':
    case 'inconclusive':
      return 'warn';
    case 'fixes':
    case 'unaffected':
      return 'pass';
  }
}
