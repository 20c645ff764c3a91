import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TriageArguments } from '../../harness/commands/triage-arguments.ts';
import type { TriagedFolder } from '../../harness/records/triage-folder.ts';
import type { TrialRecord, TrialResult } from '../../harness/records/trial.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { aRunRecord, aRunResult, aSplat, aTrialResult } from '../made-records.ts';
import { aSplatLog, type Outcome, printedBy, refusal, triage } from '../triage-command.ts';

const quiet = '[    1.000000] demo: ready\n';
const title = 'divide error in demo_divide';

function splatOf(name: string): string {
  return aSplatLog.replaceAll('demo_divide', name);
}

async function folderOf(argv: TriageArguments): Promise<Outcome & { document: TriagedFolder }> {
  const { code, output } = await triage({ ...argv, json: true });
  return { code, output, document: JSON.parse(output) as TriagedFolder };
}

/** A run's folder. Each trial has the console that `consoles` gives for the name of its folder. */
function writeRun(
  dir: string,
  trials: readonly TrialResult[],
  consoles: Readonly<Record<string, string>>,
): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'run.json'), JSON.stringify(aRunRecord()));
  writeFileSync(join(dir, 'result.json'), JSON.stringify(aRunResult({ trials })));
  // What splat writes beside the consoles repeats their text.
  writeFileSync(join(dir, 'events.jsonl'), splatOf('demo_events'));
  for (const [folder, console] of Object.entries(consoles)) {
    const own = join(dir, 'trials', folder);
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'console.log'), console);
    writeFileSync(join(own, 'console-1.html'), splatOf('demo_html'));
    writeFileSync(join(own, 'output.log'), splatOf('demo_output'));
  }
}

const canary = aTrialResult({ id: 'canary-fail', canary: 'fail', splats: [aSplat({ title })] });

void t.test('a folder names each file that was not read', async (t) => {
  const dir = t.testdir({ 'bin.log': Buffer.alloc(3000, 1), 'zero.log': '', 'quiet.log': quiet });
  const { code, document } = await folderOf({ file: dir });
  t.equal(code, 0);
  t.strictSame(document, {
    groups: [],
    seeded: [],
    unreadable: [
      { file: 'bin.log', why: 'binary data, not a console log' },
      { file: 'zero.log', why: 'no lines were read' },
    ],
    logs: 1,
  });
  t.equal(
    (await triage({ file: dir })).output,
    'left out: bin.log: binary data, not a console log\nleft out: zero.log: no lines were read\n1 log: no splats\n',
  );
});

void t.test('a folder of which no log can be read is no clean folder', async (t) => {
  const dir = t.testdir({
    bin: { 'bin.log': Buffer.alloc(3000, 1) },
    zero: { 'zero.log': '' },
    none: {},
  });
  for (const [name, says, unreadable] of [
    ['bin', /bin: no log in it could be read$/, ['bin.log']],
    ['zero', /zero: no log in it could be read$/, ['zero.log']],
    ['none', /none: no log in it$/, []],
  ] as const) {
    const file = join(dir, name);
    t.match(await refusal(t, { file }), says);
    const { output } = await printedBy({ file, json: true });
    const document = JSON.parse(output) as TriagedFolder;
    t.strictSame(
      document.unreadable.map((one) => one.file),
      unreadable,
    );
    t.notMatch((await printedBy({ file })).output, 'no splats');
  }
});

void t.test('of a run only the consoles are read, and seeded splats do not count', async (t) => {
  const dir = join(t.testdir(), 'run');
  const hung = aTrialResult({ id: 'oom', hang: { frame: 'f', stacks: [], asked: true } });
  writeRun(dir, [canary, aTrialResult(), hung], {
    'canary-fail': aSplatLog,
    munmap: quiet,
    // What a silent guest prints for SysRq is no complaint.
    oom: splatOf('demo_asked'),
  });
  const { code, document } = await folderOf({ file: dir });
  t.equal(code, 0);
  t.match(document, {
    groups: [],
    seeded: [{ title, count: 1, first: { file: 'trials/canary-fail/console.log', line: 1 } }],
    unreadable: [],
    logs: 3,
  });
  t.match(
    (await triage({ file: dir })).output,
    /^seeded: divide error in demo_divide: 1 in 1 log, first trials\/canary-fail\/console.log:1 .*\n3 logs: no splats, and 1 splat that canaries seeded\n$/,
  );
  const one = await folderOf({ file: join(dir, 'trials/canary-fail') });
  t.match(one, { code: 0, document: { logs: 1, groups: [], seeded: [{ title }] } });
  t.equal((await folderOf({ file: join(dir, 'trials') })).document.logs, 3);
});

void t.test('other splats of a run count, those of a canary too', async (t) => {
  const dir = t.testdir();
  const other = 'divide error in demo_other';
  const wrong = aTrialResult({
    ...canary,
    id: 'canary-wrong',
    verdict: { kind: 'splat', titles: [other] },
  });
  writeRun(join(dir, 'one'), [canary, wrong], {
    'canary-fail': aSplatLog,
    'canary-wrong': aSplatLog + splatOf('demo_other'),
  });
  writeRun(join(dir, 'two'), [aTrialResult()], {
    munmap: splatOf('demo_munmap'),
    'munmap.again': quiet,
  });
  const { code, document } = await folderOf({ file: dir });
  t.equal(code, 1);
  t.strictSame(
    document.groups.map((group) => [group.title, group.files]),
    [
      [other, ['one/trials/canary-wrong/console.log']],
      ['divide error in demo_munmap', ['two/trials/munmap/console.log']],
    ],
  );
  t.match(document.groups[0]?.first, { line: 7, number: 2 }, 'the N of --explain for this file');
  t.match(document.seeded, [{ title, count: 2 }]);
  t.equal(document.logs, 4);
});

void t.test('an unfinished run has the trials that are judged', async (t) => {
  const dir = t.testdir();
  writeRun(dir, [], { 'canary-late': aSplatLog, munmap: quiet, odd: aSplatLog });
  writeFileSync(join(dir, 'result.json'), 'cut off');
  const record: TrialRecord = { schema: 'splat-trial/1', harness: writtenBy(), ...canary };
  writeFileSync(join(dir, 'trials/odd/trial.json'), JSON.stringify({ ...record, id: 'odd' }));
  const { code, document } = await folderOf({ file: dir });
  t.match({ code, document }, { code: 0, document: { groups: [], seeded: [{ count: 2 }] } });
});

void t.test('a splat of a boot is on no console of the run, and is not passed over', async (t) => {
  const dir = t.testdir();
  writeRun(dir, [aTrialResult()], { munmap: quiet });
  const result = aRunResult({ bootSplats: [aSplat()] });
  writeFileSync(join(dir, 'result.json'), JSON.stringify(result));
  t.match((await folderOf({ file: dir })).document.unreadable, [
    { file: 'result.json', why: /^the boots showed a splat/ },
  ]);
});

void t.test('several logs and folders are read together', async (t) => {
  const cwd = t.testdir({ 'a.log': aSplatLog, 'b.log': quiet, more: { 'c.log': aSplatLog } });
  const files = ['a.log', 'b.log', 'more'];
  const { code, output } = await triage({ files, json: true }, '', { cwd });
  t.equal(code, 1);
  t.match(JSON.parse(output), { groups: [{ title, files: ['a.log', 'more/c.log'] }], logs: 3 });
  for (const [argv, says] of [
    [{ files, explain: 1 }, /^--explain is for one log; 3 were named$/],
    [{ files, follow: true }, /^--follow is for one log/],
    [{ files: ['a.log', 'gone.log'] }, /^cannot read gone.log: no such file$/],
    [{ files: ['a.log', '-'] }, /^- is standard input/],
  ] as const) {
    t.match(await refusal(t, argv, '', { cwd }), says);
  }
});

void t.test('flags that make no sense together are refused in words of ours', async (t) => {
  for (const [argv, says] of [
    [{ follow: true, explain: 1 }, '--follow and --explain cannot be given together'],
    [{ batch: true, json: true }, '--batch and --json cannot be given together'],
    [{ rescan: ['x'], follow: true }, '--rescan and --follow cannot be given together'],
    [{ source: 's' }, '--source needs --vmlinux FILE, the image that was built in this folder'],
    [{ history: 'h' }, '--history needs --rescan RUN, the runs whose splats get other names'],
  ] as const) {
    t.equal(await refusal(t, { file: '-', ...argv }, aSplatLog), says);
  }
  t.equal((await triage({ file: '-', json: true, follow: false, batch: false }, quiet)).code, 0);
});

/** The lines of a splat in a function, as a kernel prints them that names the task of each line. */
function linesBy(caller: string, name: string): string[] {
  const lines = splatOf(name).trimEnd().split('\n');
  return lines.map((line) => `[    1.000000][${caller}] ${line}`);
}

void t.test('findings have one order, and the number that --explain takes', async (t) => {
  // The first report is complete after the second, because another task prints in the middle of it.
  const early = linesBy('   T7', 'demo_early');
  const late = linesBy('   T8', 'demo_late');
  const log = [...early.slice(0, 2), ...late, ...early.slice(2), ''].join('\n');
  const json = JSON.parse((await triage({ file: '-', json: true }, log)).output) as {
    readonly findings: readonly { readonly title: string; readonly line: number }[];
  };
  t.match(json.findings, [
    { line: 1, title: /early/ },
    { line: 3, title: /late/ },
  ]);
  const { output } = await triage({ file: '-' }, log);
  t.match(output, /^divide error in demo_early\n {4}finding 1, lines 1-/);
  t.match(output, /\ndivide error in demo_late\n {4}finding 2, lines 3-/);
  for (const [at, finding] of json.findings.entries()) {
    const explained = await triage({ file: '-', explain: at + 1 }, log);
    t.equal(explained.output.split('\n')[0], finding.title);
  }
  t.match(await refusal(t, { file: '-', explain: 3 }, log), /the log has 2 findings$/);
});
