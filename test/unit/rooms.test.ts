import t from 'tap';
import { checkRooms, circles, importsOf, refusal, roomOf, walls } from '../rooms.ts';

const root = new URL('../..', import.meta.url).pathname;

/** A file, an import that it must not have, and a word of the refusal. */
const planted: readonly (readonly [string, string, string])[] = [
  [
    'harness/report/page/page.ts',
    "import { openGuestSource } from '../../trial/guest-source.ts';",
    'report',
  ],
  [
    'harness/report/plain.ts',
    "import type { GuestSource } from '../trial/guest-source.ts';",
    'report',
  ],
  ['harness/report/junit.ts', "export { runPlan } from '../plans/run/run.ts';", 'report'],
  ['harness/splat/rules/rule.ts', "import { ensureEntry } from '../../host/store.ts';", 'splat'],
  ['harness/splat/scanner.ts', "import { readFile } from 'node:fs/promises';", 'node:fs'],
  ['harness/locks/cycle.ts', "import type { Finding } from '../splat/finding.ts';", 'locks'],
  ['harness/plans/run/run.ts', "import { main } from '../../cli.ts';", 'plans'],
  ['harness/plans/series/walk.ts', "import type { X } from '../../commands/context.ts';", 'plans'],
  ['harness/plans/shell.ts', "type C = import('../report/progress.ts').Progress;", 'plans'],
  ['harness/host/lock.ts', "import type { Verdict } from '../verdict.ts';", 'host'],
  ['harness/host/store.ts', "import type { Emit } from '../events.ts';", 'host'],
  ['harness/host/disk.ts', "import { runGit } from '../kernel/source.ts';", 'host'],
  ['harness/kernel/make.ts', "import { startGuest } from '../guest/boot.ts';", 'kernel'],
  ['harness/guest/boot.ts', "import { workloads } from '../stress/workloads.ts';", 'guest'],
  ['harness/stress/ledger.ts', "import { createScanner } from '../splat/scanner.ts';", 'stress'],
  ['harness/patch/mail.ts', "import { openSource } from '../kernel/source.ts';", 'patch'],
  ['harness/trial/guest-source.ts', "const plan = await import('../plans/run/run.ts');", 'trial'],
  ['harness/verdict.ts', "import type { HarnessEvent } from './events.ts';", 'verdict.ts'],
  ['harness/errors.ts', "import { readdir } from 'node:fs';", 'node:fs'],
  ['harness/guest/qmp.ts', "import { execa } from 'execa';", 'package execa'],
  ['harness/guest/boot.ts', "import { Client } from 'ssh2';", 'package ssh2'],
  ['harness/kernel/compile.ts', "import { spawn } from 'node:child_process';", 'child_process'],
  ['harness/plans/doctor.ts', "import yargs from 'yargs';", 'package yargs'],
  ['harness/host/disk.ts', "import { t } from '../../test/rooms.ts';", 'outside'],
  ['harness/extra/new.ts', "import { plain } from '../report/plain.ts';", 'no room'],
];

void t.test('every planted import is refused, in one line that says what to edit', async (t) => {
  for (const [file, line, word] of planted) {
    const refusals = importsOf(root, file, line).flatMap((one) => refusal(one) ?? []);
    t.equal(refusals.length, 1, `${file}: ${line}`);
    t.match(refusals[0], word);
    t.notMatch(refusals[0], '\n');
    if (word !== 'outside') t.match(refusals[0], 'test/rooms.ts');
  }
});

void t.test('an import inside a room, and one through a door, is allowed', async (t) => {
  const allowed: readonly (readonly [string, string])[] = [
    ['harness/report/page/page.ts', "import { plain } from '../plain.ts';"],
    ['harness/trial/guest-source.ts', "import type { Guest } from '../guest/boot.ts';"],
    ['harness/host/process.ts', "import { execa } from 'execa';"],
  ];
  for (const [file, line] of allowed) {
    const [one] = importsOf(root, file, line);
    t.equal(one && refusal(one), undefined, `${file}: ${line}`);
  }
});

void t.test('this checkout keeps its walls', async (t) => {
  t.same(checkRooms(root), []);
  t.equal(roomOf('harness/trial/guest-source.ts'), 'trial');
  t.equal(roomOf('test/rooms.ts'), undefined);
  t.ok(Object.keys(walls).length > 10);
});

void t.test('a circle through a type import is a circle', async (t) => {
  const lines = [
    ['harness/a/x.ts', "import { y } from './y.ts';"],
    ['harness/a/y.ts', "import type { Z } from '../b/z.ts';"],
    ['harness/b/z.ts', "export type Z = import('../a/x.ts').X;"],
    ['harness/b/leaf.ts', "import type { Z } from './z.ts';"],
  ] as const;
  const imports = lines.flatMap(([file, line]) => importsOf(root, file, line));
  t.same(circles(imports), [['harness/a/x.ts', 'harness/a/y.ts', 'harness/b/z.ts']]);
});
