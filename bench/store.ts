import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { mountStore } from '../harness/host/shared/exchange.ts';
import { folderPlace } from '../harness/host/shared/folder-place.ts';
import { httpPlace } from '../harness/host/shared/http-place.ts';
import { makeKeyFiles, readSigningKey } from '../harness/host/shared/keys.ts';
import type { StorePlace } from '../harness/host/shared/place.ts';
import { serveStore } from '../harness/host/shared/server.ts';
import { openSharedStore } from '../harness/host/shared/shared-store.ts';
import { cacheRoot } from '../harness/host/store.ts';
import { fetchKernel, offerKernel } from '../harness/kernel/shared-kernel.ts';
import { buildTestKernel } from '../harness/kernel/test-kernel.ts';

/**
 * What it costs to fetch a kernel from a shared store, compared with building it:
 * `tsx bench/store.ts --kernel debian:6.1 --times 5`. The kernel is taken from the cache, or built first. Each fetch goes into an
 * empty cache. Prints seconds.
 */
const { values } = parseArgs({
  options: {
    kernel: { type: 'string', default: 'debian:6.1' },
    times: { type: 'string', default: '5' },
  },
});
const stop = new AbortController();
const { signal } = stop;
const emit = (): void => undefined;
const root = cacheRoot();

const outcome = await buildTestKernel({
  kernel: values.kernel,
  series: [],
  configs: [],
  configBase: undefined,
  cwd: process.cwd(),
  cacheRoot: root,
  signal,
  emit,
});
if (outcome.kind !== 'built') throw new Error(outcome.verdict.message);
const { kernel } = outcome;
const { durationMs, cpuSeconds, objects } = kernel.facts;

const dir = await mkdtemp(join(tmpdir(), 'splat-bench-store-'));
try {
  await makeKeyFiles(join(dir, 'key'));
  const signing = await readSigningKey(join(dir, 'key'));
  const keys = { signing, trusted: [] };
  const store = join(dir, 'store');
  const writeToken = 'bench-bench-bench';
  const server = await serveStore({
    dir: store,
    host: '127.0.0.1',
    port: 0,
    writeToken,
    readToken: undefined,
    trusted: [],
    log: emit,
    signal,
  });
  const put = async (place: StorePlace): Promise<number> => {
    await using _mounted = mountStore(root, openSharedStore(place, keys));
    return await seconds(async () => offerKernel(kernel, { cacheRoot: root, signal, emit }));
  };
  const fetch = async (place: StorePlace, at: number): Promise<number> => {
    const cache = join(dir, `cache-${at}`);
    await using _mounted = mountStore(cache, openSharedStore(place, keys));
    const took = await seconds(async () => {
      const fetched = await fetchKernel(kernel.id, values.kernel, {
        cacheRoot: cache,
        signal,
        emit,
      });
      if (fetched?.imageDigest !== kernel.imageDigest) throw new Error('another kernel');
    });
    await rm(cache, { recursive: true });
    return took;
  };
  const url = new URL(server.url);
  const places = {
    folder: () => folderPlace(store),
    server: () => httpPlace(url, writeToken),
  };
  const built = `${(durationMs / 1000).toFixed(0)} s, ${cpuSeconds.toFixed(0)} CPU seconds, ${objects} objects`;
  console.log(`build: ${built} (when it was built)`);
  for (const [name, open] of Object.entries(places)) {
    await rm(join(store, 'blobs'), { recursive: true, force: true });
    await rm(join(store, 'manifests'), { recursive: true, force: true });
    const putting = await put(open());
    const times: number[] = [];
    for (let at = 0; at < Number(values.times); at += 1) times.push(await fetch(open(), at));
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
    const range = `${sorted[0]?.toFixed(2)} to ${sorted.at(-1)?.toFixed(2)}`;
    console.log(`${name}: put ${putting.toFixed(2)} s, fetch ${median.toFixed(2)} s (${range})`);
  }
  stop.abort();
  await server.closed;
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}
