import { installMissing, type Need } from '../harness/host/packages.ts';

/** Installs the packages of `needs` that this host lacks, and asks nobody. */
export async function installPackages(needs: readonly Need[]): Promise<void> {
  await installMissing({
    needs,
    signal: AbortSignal.timeout(300_000),
    unattended: true,
    ask: async () => false,
    onLine: () => undefined,
    onStart: () => undefined,
  });
}
