import type { Cell, ControlsResult } from '../records/controls.ts';
import { cellLabel } from './controls-text.ts';
import { plain } from './plain.ts';
import { escapeXml } from './xml.ts';

const rowHeight = 22;
const labelWidth = 560;
const columnWidth = 84;
const headHeight = 64;
const margin = 12;

/** The colour and the letter for each result. The colours do not depend on telling red from green (Okabe and Ito). */
const looks: Readonly<Record<string, { readonly fill: string; readonly letter: string }>> = {
  caught: { fill: '#0072b2', letter: 'caught' },
  missed: { fill: '#e69f00', letter: 'missed' },
  silent: { fill: '#dddddd', letter: 'silent' },
  'not-exercised': { fill: '#ffffff', letter: 'not run' },
};

/**
 * Draws the detection matrix as SVG: one line for each broken rule, one column for each kernel and state of its annotations. A cell
 * names its parts under the pointer.
 */
export function drawControls({ columns, rows }: ControlsResult): string {
  const width = labelWidth + columns.length * columnWidth + 2 * margin;
  const height = headHeight + rows.length * rowHeight + 2 * margin;
  const x = (column: number): number => margin + labelWidth + column * columnWidth;
  const y = (row: number): number => margin + headHeight + row * rowHeight;
  const heads = columns.map(({ kernel, annotations, release }, at) => {
    const newKernel = columns[at - 1]?.kernel !== kernel;
    const name = newKernel
      ? `<text x="${x(at)}" y="${margin + 22}" font-weight="bold">${escapeXml(plain(`${kernel} (${release ?? 'not built'})`))}</text>`
      : '';
    return `${name}<text x="${x(at) + columnWidth / 2}" y="${margin + headHeight - 10}" text-anchor="middle">${escapeXml(annotations)}</text>`;
  });
  const lines = rows.map(({ id, name, cells }, at) => {
    const label = `<text x="${margin}" y="${y(at) + 15}">${escapeXml(plain(`${id}  ${name}`))}</text>`;
    const boxes = columns.map(({ kernel, annotations }, column) => {
      const own = cells.filter(
        (cell) => cell.kernel === kernel && cell.annotations === annotations,
      );
      return own.length === 0 ? '' : drawCell(own, x(column), y(at));
    });
    return label + boxes.join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...heads,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}

/**
 * Draws the cells of one rule in one column, side by side: a rule may be broken in several ways and by several triggers. The common
 * result of the cells is written over them, or `both` when their results differ.
 */
function drawCell(cells: readonly Cell[], left: number, top: number): string {
  const width = (columnWidth - 4) / cells.length;
  const boxes = cells.map((cell, at) => {
    const { fill } = looks[cell.result] ?? { fill: '#ffffff' };
    const border = cell.asExpected ? '#ffffff' : '#d00000';
    const parts = `${cellLabel(cell)}: ${cell.result}${cell.asExpected ? '' : `, expected ${cell.expected}`}`;
    const about = [parts, ...cell.splats].map((line) => escapeXml(plain(line))).join('&#10;');
    return `<rect x="${(left + at * width).toFixed(1)}" y="${top + 1}" width="${width.toFixed(1)}" height="${rowHeight - 3}" fill="${fill}" stroke="${border}" stroke-width="${cell.asExpected ? 1 : 2}"><title>${about}</title></rect>`;
  });
  const results = [...new Set(cells.map(({ result }) => result))];
  const [only = ''] = results;
  const { letter, fill } = looks[only] ?? { letter: only, fill: '#ffffff' };
  const ink = results.length === 1 && fill === '#0072b2' ? '#ffffff' : '#000000';
  const words = results.length === 1 ? letter : 'both';
  return `${boxes.join('')}<text x="${left + columnWidth / 2 - 2}" y="${top + 15}" text-anchor="middle" fill="${ink}" pointer-events="none">${escapeXml(words)}</text>`;
}
