import type { Agent } from '../guest/agent.ts';
import {
  driverCounters,
  driverFolder,
  parseProfile,
  parseVmstat,
  profiledFunctions,
  profileFiles,
} from '../stress/counters.ts';
import { type LedgerReading, ledgerFiles, readLedger } from '../stress/ledger.ts';

/** What a guest's kernel says of itself at one moment. */
export interface Reading {
  readonly ledger: LedgerReading;
  /** Since boot; compare two readings. */
  readonly counters: Readonly<Record<string, number>>;
}

/** Makes a ready guest count what witnesses need; done once, before it is saved. */
export async function armObservation(agent: Agent): Promise<void> {
  for (const name of profiledFunctions) {
    // A function this kernel does not have is refused, and then not counted.
    await agent.append(profileFiles.filter, `${name}\n`);
  }
  await agent.write(profileFiles.enabled, '1');
}

/** Reads the ledger and all counters. */
export async function takeReading(agent: Agent, cpus: number): Promise<Reading> {
  const text = async (path: string): Promise<string | undefined> =>
    (await agent.read(path))?.toString('latin1');
  const lockdepStats = await text(ledgerFiles.lockdepStats);
  const tainted = await text(ledgerFiles.tainted);
  const tables: string[] = [];
  for (let cpu = 0; cpu < cpus; cpu++)
    tables.push((await text(`${profileFiles.statistics}${cpu}`)) ?? '');
  const counters = { ...parseProfile(tables), ...parseVmstat((await text('/proc/vmstat')) ?? '') };
  for (const name of driverCounters) {
    const value = await text(`${driverFolder}/${name}`);
    if (value !== undefined) counters[`driver.${name}`] = Number(value);
  }
  return { ledger: readLedger(lockdepStats, tainted), counters };
}
