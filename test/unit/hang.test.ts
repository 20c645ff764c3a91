import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import type { Guest } from '../../harness/guest/boot.ts';
import {
  type CpuStack,
  lowestKernelAddress,
  parseRegisters,
} from '../../harness/guest/cpu-stacks.ts';
import { blockedFrame } from '../../harness/splat/blocked.ts';
import { gatherHang, loopingFrame } from '../../harness/trial/hang-evidence.ts';
import { settle } from '../../harness/trial/runner.ts';
import { awaitWedge } from '../../harness/trial/wedged.ts';
import { inconclusive } from '../../harness/verdict.ts';
import { aTrialResult } from '../made-records.ts';

/** A shortened output of `info registers -a` of QEMU 7.2. */
const registers = `CPU#0
RAX=0000000000000000 RBX=ff11000003a40000 RCX=0000000000000001 RDX=0000000000000000
RSI=ffffffff81c0a2e1 RDI=ffffffff81c1b5c6 RBP=ffa00000000cbe80 RSP=ffa00000000cbe78
RIP=ffffffff818e8d2b RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
ES =0000 0000000000000000 ffffffff 00000000

CPU#1
RAX=0000000000000000 RBX=0000000000000002 RCX=0000000000000000 RDX=0000000000000000
RSI=0000000000000000 RDI=0000000000000000 RBP=00007ffcab1bcea0 RSP=00007ffcab1bce90
RIP=000000000047230b RFL=00000202 [-------] CPL=3 II=0 A20=1 SMM=0 HLT=0
`;

void t.test('the registers of each CPU are told apart', async (t) => {
  t.same(parseRegisters(registers), [
    {
      cpu: 0,
      instruction: 0xff_ff_ff_ff_81_8e_8d_2bn,
      frame: 0xff_a0_00_00_00_0c_be_80n,
      level: 0,
      halted: true,
      masked: false,
    },
    {
      cpu: 1,
      instruction: 0x47_23_0bn,
      frame: 0x7f_fc_ab_1b_ce_a0n,
      level: 3,
      halted: false,
      masked: false,
    },
  ]);
  const [deaf] = parseRegisters(registers.replace('RFL=00000246', 'RFL=00000046'));
  t.match(deaf, { cpu: 0, masked: true });
  t.same(
    parseRegisters('PC=0000000000000000 X00=0000'),
    [],
    'another architecture has no such names',
  );
});

const entry = ['do_syscall_64+0x2f/0x50', 'entry_SYSCALL_64_after_hwframe+0x4b/0xb5'];

function loop(inner: string) {
  return {
    mode: 'kernel',
    frames: [`${inner}+0x1/0x9`, 'do_swap_page+0x12/0x8b0', 'handle_mm_fault+0x1/0x2', ...entry],
  } as const;
}

void t.test('what a CPU does not leave is named, and nothing else', async (t) => {
  const idle = { mode: 'halted', frames: ['default_idle+0x1/0x2'] } as const;
  const seen = ['xas_load', 'get_page', 'xas_load', 'page_add'].map((name) => [idle, loop(name)]);
  t.equal(loopingFrame(seen), 'do_swap_page');
  t.equal(loopingFrame(seen.map((stacks) => stacks.toReversed())), 'do_swap_page');
  t.equal(loopingFrame([[idle], [idle]]), undefined);
  const busy = ['a', 'b', 'c', 'd'].map((name) => [
    { mode: 'kernel', frames: [`${name}+0x1/0x2`, ...entry] } as const,
  ]);
  t.equal(loopingFrame(busy), undefined, 'a CPU that does many things hangs in none');
});

void t.test('a sample has the time at which it was taken, however long one takes', async (t) => {
  const dir = t.testdir({ 'console.log': '' });
  const stop = new AbortController();
  let taken = 0;
  const guest = {
    async cpuStacks() {
      await pause(200);
      if (++taken === 2) stop.abort();
      return [];
    },
    write: async () => false,
    console: { bytes: () => 0, catchUp: async () => undefined },
  } as unknown as Guest;
  const watch = { dir, signal: stop.signal, onAsked: () => undefined };
  t.match(await gatherHang(guest, watch), { frame: '', asked: false });
  const [first, second = ''] = readFileSync(`${dir}/hang.txt`, 'utf8').split('\n');
  t.equal(first, 'sample 1, 0 ms');
  t.ok(Number(/^sample 2, (\d+) ms$/.exec(second)?.[1]) >= 340, second);
});

/** A guest whose CPUs are in the state `at(look)` at each look, and use `cpuSeconds` of processor time from look to look. */
function lookedAt(
  at: (look: number) => readonly Partial<CpuStack>[],
  { cpuSeconds = 4, says = () => 0 }: { cpuSeconds?: number; says?: (look: number) => number } = {},
) {
  let look = 0;
  const deaf = { cpu: 0, mode: 'kernel', masked: true, addresses: [lowestKernelAddress] } as const;
  return {
    guest: {
      cpuStacks: async () => {
        look += 1;
        return at(look).map((stack) => ({ ...deaf, ...stack }));
      },
      cpuSeconds: async () => look * cpuSeconds,
      console: { bytes: () => says(look) },
    } as unknown as Guest,
    looks: () => look,
  };
}

void t.test('a guest is wedged when no CPU can take an interrupt, and not sooner', async (t) => {
  const over = new AbortController();
  const times = { fromMs: 0, untilMs: 300, everyMs: 2, over: over.signal };
  const isWedged = async ({ guest }: ReturnType<typeof lookedAt>): Promise<boolean> =>
    awaitWedge(guest, times);
  const both = lookedAt(() => [{}, { cpu: 1 }]);
  t.equal(await isWedged(both), true);
  t.equal(both.looks(), 8, 'no look more than needed');
  t.equal(await isWedged(lookedAt(() => [{}, { cpu: 1, masked: false }])), false);
  t.equal(await isWedged(lookedAt(() => [{}, { cpu: 1, mode: 'halted' }])), false);
  t.equal(await isWedged(lookedAt((look) => [{ masked: look % 7 !== 0 }])), false, 'now and then');
  const nested = lookedAt(() => [{ addresses: [0x1000n] }]);
  t.equal(await isWedged(nested), false, 'the code of a virtual machine inside the guest');
  const starved = lookedAt(() => [{}, { cpu: 1 }], { cpuSeconds: 0.001 });
  t.equal(await isWedged(starved), false, 'a guest that the host does not run');
  const printing = lookedAt(() => [{}], { says: (look) => look });
  t.equal(await isWedged(printing), false, 'a kernel that prints');
  t.equal(await isWedged(lookedAt(() => [])), false, 'another architecture');
  t.equal(await awaitWedge(both.guest, { ...times, untilMs: 0 }), false, 'no time left');
  over.abort();
  t.equal(await isWedged(both), false, 'nobody waits');
});

void t.test('a blocked task is named by what it waits for', async (t) => {
  const log = readFileSync(
    new URL('../golden/logs/event-oom-reaper-gives-up.log', import.meta.url),
    'utf8',
  );
  t.equal(blockedFrame(log), 'splat_mn_invalidate');
  t.equal(blockedFrame(log.replace('state:D', 'state:S')), undefined);
  t.equal(blockedFrame('sysrq: Show Blocked State\n'), undefined);
});

void t.test('two hangs of one workload have two titles', async (t) => {
  const verdict = inconclusive('hung', 'no result after 9 s');
  const hung = aTrialResult({ id: 'kvm', workload: 'kvm', verdict });
  const hang = { stacks: [], asked: true };
  const titles = ['do_swap_page', 'kvm_mmu_zap_all', ''].map((frame) => {
    const settled = settle('hung', { ...hung, hang: { ...hang, frame } }, undefined).verdict;
    return settled.kind === 'splat' ? settled.titles : [];
  });
  t.same(titles, [
    ['no output in kvm (do_swap_page)'],
    ['no output in kvm (kvm_mmu_zap_all)'],
    ['no output in kvm'],
  ]);
});
