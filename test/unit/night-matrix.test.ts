import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, property, string } from 'fast-check';
import t from 'tap';
import { HarnessError } from '../../harness/errors.ts';
import { cellId, cellName } from '../../harness/night/cells.ts';
import { literalGlob, matchesGlob } from '../../harness/night/glob.ts';
import { addKnown, isAbout, isExpired, parseKnown } from '../../harness/night/known-file.ts';
import { parseMatrix } from '../../harness/night/matrix.ts';
import { splat } from '../e2e/splat.ts';

const offers = {
  archs: ['x86-64'],
  guests: ['minimal'],
  gpus: ['virtio'],
  workloads: ['munmap', 'hmm', 'kvm'],
};
const read = (text: string) => parseMatrix(text, 'm.yaml', offers);
const minimal = 'schema: splat-matrix/1\nkernels: [linux@master]\n';

void t.test(
  'cells are the product of the lists, without what is excluded, with what is included',
  (t) => {
    const { cells } = read(`schema: splat-matrix/1
kernels: [debian:6.1, linux@master]
configs: [[], kasan]
workloads: [munmap, hmm]
exclude:
  - {config: kasan, workload: hmm}
include:
  - {kernel: debian:6.1, config: [kasan, mine.config], workload: kvm, memoryMib: [512, 2048]}
`);
    t.strictSame(cells.map(cellName), [
      'debian:6.1 munmap',
      'debian:6.1 hmm',
      'debian:6.1 kasan munmap',
      'linux@master munmap',
      'linux@master hmm',
      'linux@master kasan munmap',
      'debian:6.1 kasan+mine.config 512MiB kvm',
      'debian:6.1 kasan+mine.config 2048MiB kvm',
    ]);
    t.equal(new Set(cells.map(({ id }) => id)).size, 8, 'each has an id of its own');
    t.ok(cells.every((cell) => /^[0-9a-f]{16}$/.test(cell.id) && cell.id === cellId(cell)));
    t.end();
  },
);

void t.test('an entry that takes out or adds no cell is told with its place', (t) => {
  const { warnings, cells } = read(`${minimal}exclude:
  - {workload: hmm}
  - {workload: hmmm}
  - {kernel: [linux@master, linux@next], workload: [hmm, kvm]}
include: [{workload: munmap}, {workload: hmm}]
`);
  t.strictSame(warnings, [
    'm.yaml:5:5: exclude[1]: it matches no cell of the matrix',
    'm.yaml:7:11: include[0]: it adds no cell to the matrix',
  ]);
  t.strictSame(
    cells.map(({ workload }) => workload),
    ['munmap', 'hmm'],
  );
  t.end();
});

void t.test('a large matrix of many entries is read in little time', (t) => {
  const memory = Array.from({ length: 1250 }, (_, at) => 512 + at);
  const cells = memory.flatMap((one) => [1, 2, 3, 4, 5, 6, 7, 8].map((cpus) => [one, cpus]));
  const entries = cells.slice(0, 9000).map(([one, cpus]) => `{cpus: ${cpus}, memoryMib: ${one}}`);
  const lists = `workloads: [hmm]\ncpus: [1, 2, 3, 4, 5, 6, 7, 8]\nmemoryMib: [${memory.join(', ')}]\n`;
  const startedAt = performance.now();
  const found = read(`${minimal}${lists}exclude: [${entries.join(', ')}]\n`);
  t.equal(found.cells.length, 1000);
  t.strictSame(found.warnings, []);
  t.equal(read(`${minimal}${lists}`).cells.length, 10_000);
  t.ok(performance.now() - startedAt < 10_000, `${performance.now() - startedAt} ms`);
  t.end();
});

void t.test('a map of many keys is read in little time, and a key must not be there twice', (t) => {
  const keys = Array.from({ length: 100_000 }, (_, at) => `k${at}: 1\n`).join('');
  const startedAt = performance.now();
  t.throws(() => read(`${minimal}${keys}`), { code: 'config', message: /no such key/ });
  t.throws(() => read(`${minimal}${keys}k7: 2\n`), {
    code: 'config',
    message: /^m\.yaml:100003:1: the key "k7" is there twice in one map$/,
  });
  t.ok(performance.now() - startedAt < 30_000, `${performance.now() - startedAt} ms`);
  t.end();
});

void t.test('a cell has one id, by whichever way the matrix comes to it', (t) => {
  const [first] = read(`${minimal}workloads: [munmap]\n`).cells;
  const [same] = read(
    `${minimal}workloads: [hmm, munmap]\nexclude: [{workload: hmm}]\nrepeat: 7\n`,
  ).cells;
  t.strictSame(same, first);
  t.equal(first?.id, 'c5dba0062867affa', 'and the same one in every version of splat');
  t.end();
});

void t.test(
  'what is wrong in a matrix is told with its place, its value and what is valid',
  (t) => {
    const rows: readonly (readonly [string, RegExp])[] = [
      ['schema: splat-matrix/1\n', /^m\.yaml:1:1: kernels: it is missing$/],
      [`${minimal}cpus: [99]\n`, /^m\.yaml:3:8: cpus\[0\]: 99 is not valid; it must be at most 8$/],
      [
        `${minimal}memoryMib: [1.5]\n`,
        /^m\.yaml:3:13: memoryMib\[0\]: 1\.5 is not valid; it must be a whole number$/,
      ],
      [`${minimal}repeat: .nan\n`, /^m\.yaml:3:9: repeat: NaN is not valid; it must be a number$/],
      [`${minimal}workloads: [""]\n`, /workloads\[0\]: "" is not valid/],
      [`${minimal}workloads: &a [kvm, *a]\n`, /^m\.yaml: a YAML alias in it refers to a value/],
      [
        `${minimal}accels: [xen]\n`,
        /^m\.yaml:3:10: accels\[0\]: "xen" is not valid; it must be auto or kvm or tcg$/,
      ],
      [
        `${minimal}gpus: [nvidia]\n`,
        /^m\.yaml:3:8: gpus: "nvidia" is not valid; it must be virtio$/,
      ],
      [
        `${minimal}exclude: [{gpu: x}]\n`,
        /^m\.yaml:3:17: exclude\[0\]\.gpu: "x" is not valid; it must be virtio$/,
      ],
      [
        `${minimal}kernel: [x]\n`,
        /^m\.yaml:3:1: kernel: no such key; there are schema, kernels, .*retention$/,
      ],
      [
        `${minimal}include: [{kernels: x}]\n`,
        /^m\.yaml:3:12: include\[0\]\.kernels: no such key; there are kernel, series/,
      ],
      [
        `${minimal}retention: {nights: 0}\n`,
        /^m\.yaml:3:21: retention\.nights: 0 is not valid; it must be at least 1$/,
      ],
      [`${minimal}command: rm\n`, /^m\.yaml:3:1: command: no such key/],
      [`${minimal}repeat: [\n`, /^m\.yaml:4:1: /],
      [
        `${minimal}repeat: 1\nrepeat: 2\n`,
        /^m\.yaml:4:1: the key "repeat" is there twice in one map$/,
      ],
      [`${minimal}known: !!js/function x\n`, /^m\.yaml:3:8: Unresolved tag/],
      [
        `${minimal}exclude: [{arch: x86-64}]\n`,
        /^m\.yaml:3:10: exclude: it leaves no cell of the matrix$/,
      ],
      [
        'schema: splat-matrix/2\nkernels: [a]\n',
        /^m\.yaml:1:9: schema: "splat-matrix\/2" is not valid; it must be splat-matrix\/1$/,
      ],
      ['', /^m\.yaml:1:1: null is not valid; it must be a map$/],
      [`${minimal}cpus: 2\n`, /^m\.yaml:3:7: cpus: 2 is not valid; it must be a list$/],
      [`${minimal}configs: [3]\n`, /configs\[0\]: 3 is not valid; it must be a text or a list$/],
      [`${minimal}bisect: 1\n`, /bisect: 1 is not valid; it must be true or false$/],
      [
        'schema: splat-matrix/1\nkernels: []\n',
        /kernels: \[\] is not valid; it must be a list with a length of at least 1$/,
      ],
      [
        `${minimal}---\nschema: x\n`,
        /^m\.yaml:3:1: a second YAML document begins here, and the file may have only one$/,
      ],
      ['- a\n', /^m\.yaml:1:1: schema: it is missing$/],
    ];
    for (const [text, says] of rows) {
      try {
        read(text);
        t.fail(text);
      } catch (error) {
        t.ok(error instanceof HarnessError && error.code === 'config', text);
        t.match((error as Error).message, says);
      }
    }
    t.end();
  },
);

void t.test(
  'a matrix of aliases that grow, or of more cells than a night, is refused at once',
  (t) => {
    const levels = Array.from({ length: 12 }, (_, at) => {
      const above =
        at === 0
          ? '"x"'
          : Array(9)
              .fill(`*a${at - 1}`)
              .join(',');
      return `a${at}: &a${at} [${above}]`;
    });
    t.throws(() => read(`${minimal}${levels.join('\n')}\n`), {
      message: /aliases expand to too much|no such key/,
    });
    const many = Array.from({ length: 300 }, (_, at) => `k${at}`).join(', ');
    const text = `schema: splat-matrix/1\nkernels: [${many}]\nworkloads: [${many}]\n`;
    t.throws(() => read(text), {
      message:
        'm.yaml:1:1: the lists give 90000 cells, counted before exclude; at most 10000 are allowed',
    });
    t.end();
  },
);

void t.test(
  'a glob matches as it is written, and in no more than the product of both lengths',
  (t) => {
    const rows: readonly (readonly [string, string, boolean])[] = [
      ['possible deadlock in *', 'possible deadlock in f', true],
      ['possible deadlock in ?', 'possible deadlock in fg', false],
      ['*-1a2b', 'possible-deadlock-1a2b', true],
      ['a*b*c', 'a1b2b3c', true],
      ['a*b*c', 'a1b2b3', false],
      ['a\\*', 'a*', true],
      ['a\\*', 'ab', false],
      ['*', '', true],
      ['', 'a', false],
    ];
    for (const [glob, text, fits] of rows)
      t.equal(matchesGlob(glob, text), fits, `${glob}: ${text}`);
    const startedAt = performance.now();
    t.notOk(matchesGlob(`${'*a'.repeat(500)}b`, 'a'.repeat(2000)));
    t.ok(performance.now() - startedAt < 5000);
    assert(
      property(string(), string(), (text, other) => {
        t.ok(matchesGlob(literalGlob(text), text));
        return text === other || !matchesGlob(literalGlob(text), other);
      }),
    );
    t.end();
  },
);

const entry = 'title: WARNING in f*, reason: r, expires: 2027-01-31';
const known = (text: string) => parseKnown(text, 'k.yaml').value.issues;

void t.test(
  'a known file without reason, of everything, or malformed is refused with its place',
  (t) => {
    const rows: readonly (readonly [string, RegExp])[] = [
      [
        'issues: [{signature: abc, expires: 2027-01-31}]',
        /^k\.yaml:1:10: issues\[0\]\.reason: it is missing$/,
      ],
      [
        'issues: [{signature: "*", reason: r, expires: 2027-01-31}]',
        /^k\.yaml:1:22: issues\[0\]\.signature: "\*" matches too much; it must have at least 3 letters or digits$/,
      ],
      ['issues: [{title: "* in *", reason: r, expires: 2027-01-31}]', /matches too much/],
      [
        'issues: [{reason: r, expires: 2027-01-31}]',
        /^k\.yaml:1:10: issues\[0\]: it has neither signature nor title; give one of them$/,
      ],
      [`issues: [{${entry}, signature: abc}]`, /it has both signature and title/],
      [
        'issues: [{title: abc, reason: r, expires: 2027-02-31}]',
        /^k\.yaml:1:43: issues\[0\]\.expires: 2027-02-31 is not valid; it must be a day such as 2027-01-31$/,
      ],
      [
        'issues: [{title: abc, reason: r, expires: soon}]',
        /expires: "soon" is not valid; it must be a day such as/,
      ],
      [`issues: [{${entry}, maxBlind: 2}]`, /maxBlind: 2 is not valid; it must be at most 1$/],
      [
        `issues: [{${entry}, regex: x}]`,
        /^k\.yaml:1:\d+: issues\[0\]\.regex: no such key; there are signature, title, cell, reason/,
      ],
      ['issue: []', /no such key; there are issues$|issues: it is missing$/],
    ];
    for (const [text, says] of rows) {
      try {
        known(text);
        t.fail(text);
      } catch (error) {
        t.match((error as Error).message, says);
      }
    }
    t.end();
  },
);

void t.test('an entry is about its splats in its cells, to the end of its last day', (t) => {
  const [issue] = known(`issues: [{${entry}, cell: "*munmap"}]`);
  if (issue === undefined) throw new Error('none');
  const cell = { id: '0123456789abcdef', name: 'debian:6.1 munmap' };
  t.ok(isAbout(issue, { signature: 's', title: 'WARNING in foo', cell }));
  t.notOk(isAbout(issue, { signature: 's', title: 'WARNING in goo', cell }));
  t.notOk(
    isAbout(issue, { signature: 's', title: 'WARNING in foo', cell: { ...cell, name: 'x hmm' } }),
  );
  t.notOk(isExpired(issue, Date.parse('2027-01-31T23:59:59Z')));
  t.ok(isExpired(issue, Date.parse('2027-02-01T00:00:00Z')));
  t.end();
});

void t.test('an entry is added, and comments stay', (t) => {
  const text = '# ours\nissues:\n  # old\n  - {title: abc, reason: r, expires: 2027-01-31}\n';
  const added = addKnown(text, { signature: 'warning-1', reason: 'a: b', expires: '2027-03-01' });
  t.match(added, /^# ours\nissues:\n {2}# old\n/);
  t.match(known(added), [{ title: 'abc' }, { signature: 'warning-1', reason: 'a: b' }]);
  t.match(known(addKnown('', { title: 'abc', reason: 'r', expires: '2027-01-31' })), [
    { title: 'abc' },
  ]);
  t.end();
});

void t.test('splat known adds what splat known checks', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'splat-known-'));
  t.teardown(() => import('node:fs').then(({ rmSync }) => rmSync(dir, { recursive: true })));
  const file = join(dir, 'known.yaml');
  const add = ['known', 'add', 'warning-in-f-0123', '--known', file, '--reason', 'a vkms bug'];
  const today = { SPLAT_CLOCK: '2027-01-01T12:00:00Z' };
  const link1 = ['--link', 'https://example.org/1'];
  const first = await splat([...add, '--until', '2027-01-31', ...link1], today);
  t.equal(first.exitCode, 0, first.stderr);
  t.equal((await splat([...add, '--until', 'tomorrow'])).exitCode, 129);
  t.equal((await splat([...add.with(2, '*'), '--until', '2027-01-31'])).exitCode, 129);
  t.match(readFileSync(file, 'utf8'), /reason: a vkms bug/);
  const check = ['known', 'check', '--known', file];
  const good = await splat(check, { SPLAT_CLOCK: '2027-01-31T12:00:00Z' });
  t.strictSame([good.exitCode, good.stdout.split('\n').at(-1)], [0, '1 known']);
  const late = await splat([...check, '--json'], { SPLAT_CLOCK: '2027-02-01T00:00:00Z' });
  t.equal(late.exitCode, 1);
  t.match(JSON.parse(late.stdout), { issues: [{ signature: 'warning-in-f-0123', expired: true }] });
  // A link to the file stays a link, and the file stays as private as it was.
  const link = join(dir, 'link.yaml');
  symlinkSync(file, link);
  chmodSync(file, 0o640);
  const other = add.with(2, 'warning-in-g-1').with(4, link);
  const linked = await splat([...other, '--until', '2027-01-31'], today);
  t.equal(linked.exitCode, 0, linked.stderr);
  t.ok(lstatSync(link).isSymbolicLink());
  t.match(readFileSync(file, 'utf8'), 'warning-in-g-1');
  t.equal(statSync(file).mode & 0o777, 0o640);
  writeFileSync(file, 'issues: [{title: abc}]');
  const bad = await splat(check);
  t.equal(bad.exitCode, 129);
  t.match(bad.stderr, /known\.yaml:1:10: issues\[0\]\.reason: it is missing/);
  t.equal((await splat(check, { SPLAT_CLOCK: 'noon' })).exitCode, 129);
});
