import { runTool } from './process.ts';

/** The addresses and the keyring of a Debian archive. */
export interface Archive {
  /** The mirror as in sources.list(5): `http://deb.debian.org/debian`. */
  readonly mirror: string;
  /** The mirror of the security updates: `http://deb.debian.org/debian-security`. */
  readonly security: string;
  /** The path of the file with the keys that sign the archive: `/usr/share/keyrings/debian-archive-keyring.gpg`. */
  readonly keyring: string;
}

/**
 * The releases of Debian that splat reads. The suites of a release are `codename`, and `codename-WORD` for each word of `more`:
 * `bookworm`, `bookworm-security`. splat also reads the suites in `rolling`.
 */
export const releases = [
  { codename: 'bullseye', more: ['security'] },
  { codename: 'bookworm', more: ['security', 'backports'] },
  { codename: 'trixie', more: ['security', 'backports'] },
  { codename: 'forky', more: [] },
] as const;
const rolling = ['sid', 'experimental'] as const;

/** The keyring of the package debian-archive-keyring. */
const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const defaultArchive: Archive = {
  mirror: 'http://deb.debian.org/debian',
  security: 'http://deb.debian.org/debian-security',
  keyring: debianKeyring,
};

/**
 * Returns the lines of sources.list(5) for an archive, a line for each suite in `releases` and `rolling`: `deb [signed-by=FILE]
 * http://deb.debian.org/debian sid main`. Each line ends with a newline.
 */
export function sourcesList({
  mirror,
  security,
  keyring,
}: Archive): readonly { readonly suite: string; readonly line: string }[] {
  const source = (site: string, suite: string): { suite: string; line: string } => ({
    suite,
    line: `deb [signed-by=${keyring}] ${site} ${suite} main\n`,
  });
  const released = releases.flatMap(({ codename, more }) => [
    source(mirror, codename),
    ...more.map((part) => source(part === 'security' ? security : mirror, `${codename}-${part}`)),
  ]);
  return [...released, ...rolling.map((suite) => source(mirror, suite))];
}

/**
 * Returns the archive from which the host's apt gets Debian's packages; `apt-get indextargets` (apt-get(8)) tells it.
 * deb.debian.org is used when the host has no mirror for the packages or for the security updates. The keyring is always that of
 * debian-archive-keyring. Throws `tool` when apt is not installed.
 */
export async function hostArchive(signal: AbortSignal): Promise<Archive> {
  const format = '$(SITE) $(RELEASE)';
  const args = ['indextargets', '--format', format, 'Created-By: Packages', 'Origin: Debian'];
  const { stdout } = await runTool('apt-get', args, { signal, okCodes: [0, 1, 100] });
  const found = stdout.split('\n').flatMap((line) => {
    const [site, release, ...rest] = line.split(' ');
    const whole = site !== undefined && release !== undefined && rest.length === 0;
    return whole && /^[a-z+]+:[!-~]+$/.test(site) && !/[[\]]/.test(site) ? [{ site, release }] : [];
  });
  return {
    ...defaultArchive,
    ...namedSite('mirror', found.find(({ release }) => !release.includes('-'))?.site),
    ...namedSite('security', found.find(({ release }) => release.endsWith('-security'))?.site),
  };
}

function namedSite(name: 'mirror' | 'security', site: string | undefined): Partial<Archive> {
  return site === undefined ? {} : { [name]: site };
}
