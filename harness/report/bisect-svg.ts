import type { BisectReport, ReportedCommit } from '../records/bisect.ts';
import { commitPhrase } from './bisect-words.ts';
import { plain } from './plain.ts';
import { escapeXml } from './xml.ts';

const width = 960;
const height = 320;
const margin = 40;
/** A commit with this probability, or a lower probability, gets no bar: the scale of the picture has six decades. */
const leastProbability = 1e-6;

const colours = { bad: '#c0392b', good: '#27ae60', skip: '#7f8c8d' } as const;

/**
 * Draws, as SVG, how probable it is for each commit that it is the culprit. Each commit has a bar, with older commits to the left.
 * The height of a bar is the logarithm of the probability. A mark below a bar is the commit's verdict: good, bad or skip. A commit
 * without a certain verdict has no mark.
 */
export function drawPosterior({ commits, sought, unit, reverse }: BisectReport): string {
  const barWidth = (width - 2 * margin) / Math.max(1, commits.length);
  const floor = height - margin;
  const decades = -Math.log10(leastProbability);
  const barHeight = (probability: number): number =>
    probability <= leastProbability
      ? 0
      : ((Math.log10(probability) + decades) / decades) * (height - 2 * margin);
  const bars = commits.map((commit, at) => {
    const x = margin + at * barWidth;
    const tall = barHeight(commit.probability);
    const mark =
      commit.standing === null
        ? ''
        : `<rect x="${x.toFixed(1)}" y="${floor + 4}" width="${barWidth.toFixed(2)}" height="6" fill="${colours[commit.standing]}"/>`;
    return `<g><title>${escapeXml(caption(commit))}</title><rect x="${x.toFixed(1)}" y="${(floor - tall).toFixed(1)}" width="${(barWidth * 0.85).toFixed(2)}" height="${tall.toFixed(1)}" fill="#2c3e50"/>${mark}</g>`;
  });
  const lines = Array.from({ length: decades + 1 }, (_, power) => {
    const y = floor - barHeight(10 ** -power);
    return `<line x1="${margin}" x2="${width - margin}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" stroke="#dddddd"/><text x="4" y="${(y + 4).toFixed(1)}">1e-${power}</text>`;
  });
  const title = `which ${unit} ${reverse ? 'fixed' : 'brought'}: ${plain(sought ?? 'unknown')}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<text x="${margin}" y="20" font-size="14">${escapeXml(title)}</text>`,
    ...lines,
    ...bars,
    '</svg>',
    '',
  ].join('\n');
}

function caption(commit: ReportedCommit): string {
  const tried = commit.hits + commit.misses;
  const counts = tried === 0 ? '' : `, shown in ${commit.hits} of ${tried} trials`;
  return `${plain(commitPhrase(commit))}: ${(commit.probability * 100).toPrecision(3)} %${counts}`;
}
