import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { typedCommand } from '../host/package-root.ts';
import { commandLine, runTool } from '../host/process.ts';
import { openSandbox } from '../host/sandbox.ts';
import { parseDiff, touchedPaths } from '../patch/diff.ts';
import { findMaintainers } from '../patch/maintainers.ts';
import { defaultLimits } from '../plans/series/limits.ts';
import type { SeriesInputs } from '../plans/series/request.ts';
import type { SeriesReport } from '../records/series.ts';
import { jsonText } from '../report/json-text.ts';
import { formatKcidb } from '../report/kcidb.ts';
import { nowhere, type PlaceOf } from '../report/page/series-head.ts';
import { formatSeriesPage } from '../report/page/series-page.ts';
import { formatSeriesJunit } from '../report/series-junit.ts';
import { formatSeriesKtap } from '../report/series-ktap.ts';
import { formatSeriesMail } from '../report/series-mail.ts';
import type { CommandContext } from './context.ts';
import { guestDefaults, optionWords } from './run-options.ts';
import { writeSeriesConsoles } from './series-consoles.ts';
import type { SeriesArguments } from './series-options.ts';
import { writeRecord } from './write-record.ts';

/**
 * Writes series.json, which is the report itself, and the files that are derived from the report. Returns one line for each derived
 * file that could not be written. Throws when series.json cannot be written.
 */
export async function writeSeriesReports(
  report: SeriesReport,
  { series }: SeriesInputs,
  options: { readonly dir: string; readonly startedAt: string; readonly command: string },
): Promise<readonly string[]> {
  const { dir, startedAt, command } = options;
  const patchDigests = series.patches.map(({ diff }) => digest(diff));
  let placeOf: PlaceOf = nowhere;
  const kcidb = { origin: 'splat', startedAt, patchDigests, digest };
  return writeRecord(dir, { file: 'series.json', value: report }, [
    {
      file: 'kcidb.json',
      make: () => `${jsonText(formatKcidb(report, kcidb), 2)}\n`,
    },
    { file: 'junit.xml', make: () => formatSeriesJunit(report) },
    { file: 'results.tap', make: () => formatSeriesKtap(report) },
    {
      file: 'trials/*/console-*.html',
      make: async () => {
        placeOf = await writeSeriesConsoles(dir, report);
        return null;
      },
    },
    { file: 'report.html', make: () => formatSeriesPage(report, { startedAt, command, placeOf }) },
  ]);
}

function digest(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}

/**
 * Returns the text of the mail for --mail. Nothing is sent. The only recipients are those that the base's get_maintainer.pl names.
 */
export async function writeSeriesMail(
  report: SeriesReport,
  { series, source }: SeriesInputs,
  argv: SeriesArguments,
  { signal }: CommandContext,
): Promise<string> {
  const files = series.patches.flatMap(({ diff }) => touchedPaths(parseDiff(diff)));
  const sandbox = await openSandbox(signal);
  const cc = await findMaintainers(source.tree, [...new Set(files)], { sandbox, signal });
  const text = JSON.stringify([report.base, report.patches]);
  return formatSeriesMail(report, {
    from: await gitIdentity(signal),
    cc,
    messageId: `splat-${digest(text).slice(0, 24)}@${hostname().replaceAll(/[^\w.-]/g, '')}`,
    date: new Date(),
    command: seriesCommand(argv),
    config: [argv.configBase ?? 'tinyconfig with the fragments of splat', ...argv.config],
  });
}

/**
 * Returns the command line that repeats the test of a series, with --seed, --repeat and the other options that differ from their
 * defaults, but without options for output. A series that came from stdin has the name `mail` in the command line.
 */
export function seriesCommand(argv: SeriesArguments): string {
  const isStdin = argv.series === '' || argv.series === '-';
  const typed = commandLine(typedCommand(), [
    'series',
    isStdin ? '-' : argv.series,
    ...optionWords('base', argv.base),
    ...optionWords('tree', argv.tree),
    ...optionWords('previous', argv.previous),
    ...argv.baseSeries.flatMap((name) => ['--base-series', name]),
    ...argv.workload.flatMap((name) => ['--workload', name]),
    ...argv.detector.flatMap((index) => ['--detector', String(index)]),
    ...argv.config.flatMap((name) => ['--config', name]),
    ...optionWords('config-base', argv.configBase),
    ...optionWords('cc', argv.cc),
    ...(argv.llvm === undefined ? [] : [`--llvm=${argv.llvm === '' ? '1' : argv.llvm}`]),
    ...argv.module.flatMap((name) => ['--module', name]),
    ...optionWords('duration', argv.duration),
    ...optionWords('accel', argv.accel, guestDefaults.accel),
    ...optionWords('memory-mib', argv.memoryMib, guestDefaults.memoryMib),
    ...optionWords('cpus', argv.cpus, guestDefaults.cpus),
    ...optionWords('jobs', argv.jobs),
    ...optionWords('seed', argv.seed),
    ...optionWords('repeat', argv.repeat),
    ...optionWords('confidence', argv.confidence, defaultLimits.confidence),
  ]);
  return isStdin ? `${typed} < mail` : typed;
}

/**
 * The user's name and address, `Name <address>`, from the global git configuration. `Your Name` or `you@example.org` stands for a
 * missing part, and the user is to replace it.
 */
async function gitIdentity(signal: AbortSignal): Promise<string> {
  const get = async (name: string): Promise<string> => {
    const inputs = ['config', '--global', '--get', name];
    const end = await runTool('git', inputs, { signal, okCodes: [0, 1, 128] });
    return end.stdout.trim();
  };
  const [name, email] = [await get('user.name'), await get('user.email')];
  return `${name || 'Your Name'} <${email || 'you@example.org'}>`;
}
