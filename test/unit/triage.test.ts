import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  createReadStream,
  openSync,
  readSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { escapeLogText } from '../../harness/report/triage-text.ts';
import { refusal, aSplatLog as splat, triage } from '../triage-command.ts';

const event = '[    1.000000] Out of memory: Killed process 12 (hog) total-vm:4kB\n';

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

void t.test('the exit code says whether there was a splat', async (t) => {
  t.equal((await triage({ file: '-' }, 'quiet\n')).code, 0);
  t.equal((await triage({ file: '-' }, event)).code, 0, 'an event is no splat');
  t.equal((await triage({ file: '-' }, splat)).code, 1);
  t.equal((await triage({ file: '-', json: true }, splat)).code, 1);
  t.equal(
    (await triage({ file: '-', batch: true }, `${JSON.stringify({ id: 1, log: splat })}\n`)).code,
    0,
  );
});

void t.test('--json prints one document, in the order of the log', async (t) => {
  const { output } = await triage({ file: '-', json: true }, event + splat);
  const { findings } = JSON.parse(output) as { findings: Record<string, unknown>[] };
  t.match(findings, [
    { kind: 'event', line: 1 },
    {
      kind: 'splat',
      title: 'divide error in demo_divide',
      frame: 'demo_divide',
      line: 2,
      cpu: 0,
      task: 'demo/7',
      corrupted: false,
      suppressed: false,
    },
  ]);
  t.notOk('text' in (findings[1] ?? {}));
});

void t.test('--batch answers line by line and keeps ids', async (t) => {
  const rows = [
    { id: 'a', log: splat },
    { id: 7, log: 'quiet' },
  ];
  const { output } = await triage(
    { file: '-', batch: true },
    rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  );
  const answers = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  t.match(answers, [
    { id: 'a', findings: [{ title: 'divide error in demo_divide' }] },
    { id: 7, findings: [] },
  ]);
});

void t.test('a person sees each bug once with its count', async (t) => {
  const { output } = await triage({ file: '-' }, splat.repeat(3));
  t.match(output, /^divide error in demo_divide\n/);
  t.match(output, /\n +3 {2}splat {2}line 1 +divide error in demo_divide\n$/);
  t.equal(output.match(/demo_divide\+0x10/g)?.length, 1);
});

void t.test('no escape sequence of the log reaches the terminal', async (t) => {
  const evil = splat.replace('Comm: demo', 'Comm: \x9b31m\u202edemo');
  for (const argv of [{ file: '-' }, { file: '-', explain: 1 }]) {
    t.notMatch((await triage(argv, evil)).output, /(?!\n)[\p{Cc}\u202e]/u);
  }
  t.equal(escapeLogText('a\x1b[2J\u202e'), 'a\\x1b[2J\\u202e');
});

void t.test('JSON has such characters only as escapes, and keeps their meaning', async (t) => {
  const evil = splat.replace('Comm: demo', 'Comm: \x9b31m\u202edemo');
  const id = '\u2066\x7f';
  for (const [asked, log] of [
    [{ json: true }, evil],
    [{ json: true, explain: 1 }, evil],
    [{ batch: true }, `${JSON.stringify({ id, log: evil })}\n`],
  ] as const) {
    const { output } = await triage({ file: '-', ...asked }, log);
    t.notMatch(output, /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    const read = JSON.parse(output) as { id?: string; findings: { task: string }[] };
    t.match(read.findings[0]?.task, /^\x9b31m\u202edemo/);
    if (read.id !== undefined) t.equal(read.id, id);
  }
});

void t.test('--explain shows the lines behind a finding', async (t) => {
  const { output, code } = await triage({ file: '-', explain: 1 }, `noise\n${splat}`);
  t.match(output, /2 {2}header +divide error/);
  t.match(output, /5 {2}guilty frame +demo_divide/);
  t.match(output, /lines 2-7, bytes 6-/);
  t.equal(code, 1);
});

void t.test('--explain with --json gives the lines as data', async (t) => {
  const { output, code } = await triage({ file: '-', explain: 2, json: true }, event + splat);
  const { findings } = JSON.parse(output) as { findings: unknown[] };
  t.match(findings, [
    {
      title: 'divide error in demo_divide',
      evidence: [
        { line: 2, role: 'header', text: /^divide error/ },
        { line: 5, role: 'guilty frame', text: / demo_divide/ },
        { line: 7, role: 'end', text: /end trace/ },
      ],
      text: splat.trimEnd().split('\n'),
    },
  ]);
  t.equal(findings.length, 1);
  t.equal(code, 1);
});

void t.test('a log is unpacked from gzip, and what is no log is named', async (t) => {
  const dir = t.testdir({ empty: '', text: splat });
  const files: Record<string, Uint8Array> = {
    'log.gz': gzipSync(splat),
    'two.gz': Buffer.concat([gzipSync(splat), gzipSync(splat)]),
    'cut.gz': gzipSync(splat.repeat(9)).subarray(0, 100),
    xz: Buffer.from('fd377a585a000004e6d6b446', 'hex'),
    zst: Buffer.from('28b52ffd0458c100006869', 'hex'),
    bz2: Buffer.from('425a6839314159265359aabb', 'hex'),
    utf16: Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(splat, 'utf16le')]),
    'utf16-bare': Buffer.from(splat, 'utf16le'),
    nuls: Buffer.concat([Buffer.from('quiet\n'), Buffer.alloc(2000)]),
    random: Buffer.concat([...Array(200).keys()].map((n) => sha256(`${n}`))),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  const cwd = { cwd: dir };
  const count = async (file: string): Promise<number> => {
    const { output } = await triage({ file, json: true }, '', cwd);
    return (JSON.parse(output) as { findings: unknown[] }).findings.length;
  };
  t.equal(await count('log.gz'), 1);
  t.equal(await count('two.gz'), 2);
  for (const [file, says] of [
    ['cut.gz', /^cut.gz: its gzip data is damaged or cut off$/],
    ['xz', /^xz is xz data; unpack it first$/],
    ['zst', /^zst is zstd data; unpack it first$/],
    ['bz2', /^bz2 is bzip2 data; unpack it first$/],
    ['utf16', /^utf16: UTF-16 text; convert it first/],
    ['utf16-bare', /^utf16-bare: UTF-16 text/],
    ['random', /^random: binary data, not a console log$/],
    ['nuls', /^nuls: mostly NUL bytes/],
    ['empty', /^empty: no lines were read$/],
  ] as const) {
    t.match(await refusal(t, { file, json: true }, '', cwd), says);
  }
  t.match(await refusal(t, { file: '-' }, ''), /^standard input: no lines were read$/);
  const stdin = Readable.from([...gzipSync(splat)].map((byte) => Buffer.from([byte])));
  t.equal((await triage({}, '', { stdin })).code, 1, 'a byte at a time');
});

void t.test('noise on the line, NULs and other alphabets are in real logs', async (t) => {
  const noise = sha256('noise');
  const lines = Buffer.from('[    1.000000] demo: ready\n'.repeat(50));
  const found = Buffer.from(splat);
  for (const [code, parts] of [
    [0, [noise, lines]],
    [0, [lines, Buffer.alloc(500), lines]],
    [0, [Buffer.from('\u001B[2J\u001B[1;1H\r\n'.repeat(20)), lines]],
    [0, [Buffer.from('Системный журнал 起動しました\n'.repeat(50))]],
    [0, [Buffer.from('\r\n\r\n')]],
    [1, [Buffer.alloc(9000), Buffer.from('\n'), found]],
    [1, [sha256('1'), sha256('2'), sha256('3'), Buffer.from('\n'), found, Buffer.alloc(9000)]],
  ] as const) {
    t.equal((await triage({}, '', { stdin: Readable.from(parts) })).code, code);
  }
});

void t.test('--vmlinux names what can be read', async (t) => {
  const dir = t.testdir({ empty: '', 'a.log': splat, folder: {} });
  for (const [argv, says] of [
    [{ vmlinux: 'empty' }, /^--vmlinux empty: it is empty$/],
    [{ vmlinux: 'folder' }, /^--vmlinux folder: it is a folder$/],
    [{ vmlinux: 'a.log' }, /^--vmlinux a.log: not a kernel image with symbols$/],
  ] as const) {
    t.match(await refusal(t, { file: 'a.log', ...argv }, '', { cwd: dir }), says);
  }
});

void t.test('bad input is refused in one line', async (t) => {
  t.match(
    await refusal(t, { file: '/does/not/exist' }),
    /cannot read \/does\/not\/exist: no such file/,
  );
  t.match(
    await refusal(t, { file: '/', batch: true }),
    /^\/ is a folder, and --batch reads one file/,
  );
  t.match(
    await refusal(t, { file: '-', explain: 2 }, splat),
    /--explain 2: the log has 1 finding$/,
  );
  t.match(await refusal(t, { file: '-', explain: 0 }, splat), /--explain/);
  t.match(
    await refusal(t, { file: '-', batch: true }, 'no json\n'),
    /line 1 of the --batch input: not JSON/,
  );
  t.match(
    await refusal(t, { file: '-', batch: true }, '{"id":1}\n'),
    /line 1 of the --batch input: not like/,
  );
  t.match(
    await refusal(t, { file: '-', vmlinux: 'missing' }, splat),
    /--vmlinux missing: no such file/,
  );
  t.match(
    await refusal(t, {}, '', { stdin: Object.assign(Readable.from([]), { isTTY: true }) }),
    /needs FILE/,
  );
  t.match(await refusal(t, { file: '-' }, splat, { signal: AbortSignal.abort() }), /interrupted/);
});

void t.test('an interrupt ends the wait for a pipe that says nothing', async (t) => {
  const stop = new AbortController();
  const stdin = new PassThrough();
  const refused = refusal(t, { file: '-' }, '', { stdin, signal: stop.signal });
  stdin.write('quiet\n');
  stop.abort(new Error('Ctrl-C'));
  t.match(await refused, /interrupted/);
});

void t.test('a file on standard input is read from where it stands', async (t) => {
  const file = t.testdir({ log: `skipped ${splat}` });
  const fd = openSync(`${file}/log`, 'r');
  readSync(fd, Buffer.alloc(8), 0, 8, null);
  const stdin = createReadStream('', { fd, autoClose: false });
  const { output } = await triage({ file: '-', json: true }, '', { stdin });
  t.match(JSON.parse(output), { findings: [{ title: 'divide error in demo_divide', line: 1 }] });
  closeSync(fd);
});

/** Builds a small program that looks like a kernel image: linux_banner, start_kernel() in init/main.c, and an inlined function. */
function buildImage(directory: string, release: string): string {
  const source = `
const char linux_banner[] = "Linux version ${release} (test)";
volatile int zero;
static inline __attribute__((always_inline)) int demo_inline(int x) { return x / zero; }
__attribute__((noinline)) int demo_divide(int x) { return demo_inline(x) + 1; }
int start_kernel(void) { return demo_divide(2); }
int main(void) { return start_kernel() + linux_banner[zero]; }
`;
  const folder = join(directory, 'init');
  execFileSync('mkdir', ['-p', folder]);
  writeFileSync(join(folder, 'main.c'), source);
  const image = join(directory, 'vmlinux');
  execFileSync('gcc', ['-g', '-O1', '-no-pie', '-o', image, join(folder, 'main.c')]);
  return image;
}

function addressOf(line = ''): number {
  return Number.parseInt(line.split(' ')[0] ?? '', 16);
}

/**
 * Builds a module as a kernel build leaves it: relocatable, with a function of `.init.text` at the same address as one of `.text`.
 */
function buildModule(directory: string): string {
  const source = `
volatile int zero;
static inline __attribute__((always_inline)) int mod_inline(int x) { return x / zero; }
__attribute__((noinline)) int mod_divide(int x) { return mod_inline(x) + 1; }
__attribute__((section(".init.text"))) int mod_init(void) { return mod_divide(2) + zero * 3; }
`;
  const file = join(directory, 'demo-mod.c');
  writeFileSync(file, source);
  const module = join(directory, 'demo-mod.ko');
  execFileSync('gcc', ['-g', '-O1', '-c', '-o', module, file]);
  return module;
}

function sizeIn(object: string, symbol: string): string {
  const table = execFileSync('nm', ['--print-size', object], { encoding: 'utf8' });
  return (
    /^[0-9a-f]+ ([0-9a-f]+)/.exec(
      table.split('\n').find((row) => row.endsWith(` ${symbol}`)) ?? '',
    )?.[1] ?? ''
  );
}

void t.test(
  'frames of a module are found beside the image, those of its init section are not guessed',
  async (t) => {
    const directory = t.testdir();
    const image = buildImage(directory, '6.1.0-test');
    const module = buildModule(directory);
    const log = splat
      .replace(
        'demo_divide+0x10/0x20',
        `mod_divide+0x4/0x${sizeIn(module, 'mod_divide')} [demo_mod]`,
      )
      .replace('demo_ioctl+0x10/0x20', `mod_init+0x4/0x${sizeIn(module, 'mod_init')} [demo_mod]`);
    const { output } = await triage({ file: '-', json: true, vmlinux: image }, log);
    const { findings } = JSON.parse(output) as { findings: { stack: unknown[] }[] };
    t.match(findings[0]?.stack, [
      { function: 'mod_inline', location: /demo-mod\.c:3$/, inlined: true },
      { function: 'mod_divide', location: /demo-mod\.c:4$/ },
      { function: 'mod_init', location: undefined },
    ]);
  },
);

void t.test('--vmlinux adds file:line and inlined frames, and refuses another build', async (t) => {
  const image = buildImage(t.testdir(), '6.1.0-test');
  const symbols = execFileSync('nm', ['-n', image], { encoding: 'utf8' }).split('\n');
  const at = symbols.findIndex((line) => line.endsWith(' demo_divide'));
  const size = addressOf(symbols[at + 1]) - addressOf(symbols[at]);
  const log = splat.replace('demo_divide+0x10/0x20', `demo_divide+0x4/0x${size.toString(16)}`);
  const { output } = await triage({ file: '-', json: true, vmlinux: image }, log);
  const { findings } = JSON.parse(output) as {
    findings: { stack: { function: string; location?: string; inlined?: boolean }[] }[];
  };
  t.match(findings[0]?.stack, [
    { function: 'demo_inline', location: 'init/main.c:4', inlined: true },
    { function: 'demo_divide', location: 'init/main.c:5' },
    { function: 'demo_ioctl', location: undefined },
  ]);
  const other = log.replace('6.1.0-test', '6.1.0-other');
  t.match(
    await refusal(t, { file: '-', vmlinux: image }, other),
    /is Linux 6\.1\.0-test, but Linux 6\.1\.0-other printed the splat at line 1/,
  );
  const rebuilt = splat
    .replace(/ demo_divide.*/, ' demo_divide+0x4/0x7777')
    .replace(/ demo_ioctl.*/, ' start_kernel+0x4/0x7777\n main+0x4/0x7777');
  t.match(
    await refusal(t, { file: '-', vmlinux: image }, rebuilt),
    /is of another build: it has other sizes for 3 of the 3 functions on the stack of the splat at line 1/,
  );
});

void t.test('a folder is looked through, packed logs too, and grouped by signature', async (t) => {
  const folder = t.testdir({
    'b.log': `${splat}${splat}`,
    deeper: { 'a.log': event },
    outside: t.fixture('symlink', '/etc'),
  });
  writeFileSync(join(folder, 'deeper', 'c.log.gz'), gzipSync(splat));
  writeFileSync(join(folder, 'deeper', 'd.log.gz'), gzipSync(splat).subarray(0, 60));
  // The beginning of the file can be read: findings in it count, and an error still names the file.
  const noise = Array.from({ length: 20_000 }, (_, index) => `line ${Math.sin(index)}\n`).join('');
  const whole = gzipSync(`${splat}\n${noise}`);
  writeFileSync(join(folder, 'deeper', 'e.log.gz'), whole.subarray(0, whole.length / 2));
  execFileSync('xz', ['--keep', join(folder, 'b.log')]);
  const { code, output } = await triage({ file: folder, json: true });
  t.equal(code, 1);
  const { groups, unreadable } = JSON.parse(output) as Record<string, unknown[]>;
  t.match(groups, [
    {
      title: 'divide error in demo_divide',
      kind: 'splat',
      count: 6,
      files: ['b.log', 'b.log.xz', 'deeper/c.log.gz', 'deeper/e.log.gz'],
      first: { file: 'b.log', line: 1, number: 1 },
      last: { file: 'deeper/e.log.gz', line: 1 },
    },
    { title: 'OOM kill of hog', kind: 'event', count: 1, files: ['deeper/a.log'] },
  ]);
  t.match(unreadable, [
    { file: 'deeper/d.log.gz', why: /damaged or cut off/ },
    { file: 'deeper/e.log.gz', why: /damaged or cut off/ },
  ]);
  t.match((await triage({ file: folder })).output, /6 in 4 of 6 logs, first b.log:1 \(finding 1\)/);
  // Written names: one of Latin-1, which Node cannot look up, and one with a newline.
  writeFileSync(Buffer.from(`${folder}/caf\u00E9.log`, 'latin1'), splat);
  writeFileSync(join(folder, 'z\nall clean.log'), '');
  const told = (await triage({ file: folder })).output;
  t.match(told, /^left out: caf\uFFFD\.log: its name is not UTF-8$/m);
  t.match(told, /^left out: z\\x0aall clean\.log: no lines were read$/m);
  t.match(await refusal(t, { file: folder, explain: 1 }), /--explain is for one log/);
  t.equal((await triage({ file: join(folder, 'deeper/a.log') })).code, 0);
});

function other(name: string): string {
  return splat.replaceAll('demo_divide', name);
}

void t.test('a log is followed as it grows, is rotated and truncated', async (t) => {
  const file = join(t.testdir({ 'console.log': splat }), 'console.log');
  const stop = new AbortController();
  const stdout = new PassThrough();
  const titles: string[] = [];
  stdout.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n').filter(Boolean)) {
      titles.push((JSON.parse(line) as { title: string }).title);
    }
  });
  const seen = async (count: number) => {
    for (let look = 0; titles.length < count && look < 400; look++) await sleep(50);
    t.equal(titles.length, count, titles.join('; '));
  };
  const context = { signal: stop.signal, stdout, cwd: '/', stdin: Readable.from([]) };
  const followed = triage({ file, follow: true, json: true }, '', context);
  await seen(1);
  appendFileSync(file, other('demo_grown'));
  await seen(2);
  renameSync(file, `${file}.1`);
  appendFileSync(`${file}.1`, other('demo_late'));
  writeFileSync(file, other('demo_rotated'));
  await seen(4);
  writeFileSync(file, 'short\n');
  await sleep(1000);
  appendFileSync(file, other('demo_short'));
  await seen(5);
  stop.abort(new Error('SIGINT'));
  t.equal((await followed).code, 1);
  t.strictSame(
    titles.map((title) => title.replace('divide error in demo_', '')),
    ['divide', 'grown', 'late', 'rotated', 'short'],
  );
  t.match(await refusal(t, { follow: true }), /--follow needs FILE/);
  t.match(await refusal(t, { file: '/nonexistent', follow: true }), /cannot read/);
});

void t.test(
  'a person reads the header, and of a cut report that its stack is not there',
  async (t) => {
    const cut = '[    1.000000] WARNING: CPU: 1 PID: 9 at demo.c:1 demo_push+0x5f/0x70\n';
    t.match(
      (await triage({ file: '-' }, cut)).output,
      /^WARNING in demo_push \(no stack in the log\)\n.*\n    WARNING: CPU: 1 PID: 9 at demo.c:1/,
    );
    const nameless = '[    1.000000] divide error: 0000 [#1] SMP\n';
    t.match(
      (await triage({ file: '-' }, nameless)).output,
      /^divide error \(no stack in the log\)\n/,
    );
  },
);

void t.test('"no stack in the log" stands above no stack', async (t) => {
  const log = [
    'BUG: Bad page state in process hog  pfn:12345',
    'page:ffffea000048d140 refcount:-1 mapcount:0 mapping:0000000000000000 index:0x1 pfn:0x12345',
    'page dumped because: nonzero _refcount',
    'CPU: 1 PID: 77 Comm: hog Not tainted 6.1.0 #1',
    'Call Trace:',
    ' dump_stack_lvl+0x45/0x5e',
    ' bad_page.cold+0x63/0x94',
    ' free_pcppages_bulk+0x1a3/0x2f0',
    ' do_exit+0x2d0/0xa10',
  ].map((line) => `[   12.345678] ${line}\n`);
  const { output } = await triage({ file: '-' }, log.join(''));
  t.match(output, /^BUG: Bad page state\n[^]* {6}free_pcppages_bulk\+0x1a3/);
  const cut = await triage({ file: '-' }, log.slice(0, 4).join(''));
  t.match(cut.output, /^BUG: Bad page state \(no stack in the log\)\n/);
});
