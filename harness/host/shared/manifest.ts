import { checkValue } from '../../records/schema.ts';
import {
  manifestSchema,
  type SharedKind,
  type StoreManifest,
  sealedManifestSchema,
} from '../../records/store.ts';
import { isSignedBy, type SigningKey, signText, type TrustedKey } from './keys.ts';
import { StoreFault } from './store-fault.ts';

/**
 * The size limit of a manifest, in bytes. Reading a larger manifest throws a StoreFault `refused`. The manifest of a kernel has 50
 * KiB if its build printed many warnings.
 */
export const largestManifestBytes = 1024 * 1024;
/** The limit for the total size of an entry's files, in bytes. A kernel with DWARF has 70 MiB, a packed source 250 MiB. */
const largestEntryBytes = 8 * 2 ** 30;

/** A text that is signed together with the payload. So a signature that was made for another purpose is not valid here. */
const domain = 'splat-store/1';

/** The name of an entry in a shared store. */
export interface EntryName {
  readonly kind: SharedKind;
  readonly key: string;
}

/**
 * Signs a manifest (the list of an entry's files) and returns the signed text: a line of JSON with the signer, the signature and
 * the payload.
 */
export function sealManifest(manifest: StoreManifest, key: SigningKey): string {
  const payload = JSON.stringify(manifest);
  const signature = signText(`${domain}\n${payload}`, key);
  return `${JSON.stringify({ schema: domain, signer: key.id, signature, payload })}\n`;
}

/**
 * Opens a manifest, the signed list of an entry's files, if a trusted key has signed it for exactly this entry. Otherwise throws
 * a StoreFault `refused`. The signature is checked before anything in the payload is parsed.
 */
export function openManifest(
  text: string,
  name: EntryName,
  trusted: readonly TrustedKey[],
): { readonly manifest: StoreManifest; readonly signer: string } {
  const what = describe(name);
  const { signer, signature, payload } = parseSealed(text, what);
  const key = trusted.find(({ id }) => id === signer);
  if (key === undefined) {
    throw new StoreFault('refused', `${what}: signed by ${signer}, a key that is not trusted`);
  }
  if (!isSignedBy(`${domain}\n${payload}`, signature, key)) {
    throw new StoreFault('refused', `${what}: the signature of ${signer} is wrong`);
  }
  return { manifest: parsePayload(payload, name), signer };
}

/**
 * Opens a manifest without checking its signature. A server without keys and `splat store prune` use this function, because neither
 * uses the content of entries. Throws a StoreFault `refused` when the text is not the manifest of this entry.
 */
export function peekManifest(
  text: string,
  name: EntryName,
): { readonly manifest: StoreManifest; readonly signer: string } {
  const { signer, payload } = parseSealed(text, describe(name));
  return { manifest: parsePayload(payload, name), signer };
}

function describe({ kind, key }: EntryName): string {
  return `manifest of ${kind} ${key}`;
}

function parseSealed(text: string, what: string) {
  const sealed = checkValue(sealedManifestSchema, parseJson(text, what));
  if (sealed.isRight) return sealed.value;
  throw new StoreFault('refused', `${what}: not a signed manifest`);
}

function parsePayload(payload: string, name: EntryName): StoreManifest {
  const what = describe(name);
  const checked = checkValue(manifestSchema, parseJson(payload, what));
  if (!checked.isRight) throw new StoreFault('refused', `${what}: ${checked.field} is wrong`);
  requireSound(checked.value, name, what);
  return checked.value;
}

function requireSound(manifest: StoreManifest, { kind, key }: EntryName, what: string): void {
  if (manifest.kind !== kind || manifest.key !== key) {
    const other = `${manifest.kind} ${manifest.key}`;
    throw new StoreFault('refused', `${what}: it is signed for ${other}`);
  }
  const names = manifest.files.map((file) => file.name);
  if (new Set(names).size < names.length || names.includes('entry.json')) {
    throw new StoreFault(
      'refused',
      `${what}: two of its files have the same name, or one is named entry.json`,
    );
  }
  if (entryBytes(manifest) > largestEntryBytes) {
    throw new StoreFault('refused', `${what}: larger than an entry may be`);
  }
}

/** Returns the total size of an entry's files, in bytes. */
export function entryBytes({ files }: Pick<StoreManifest, 'files'>): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StoreFault('refused', `${what}: not JSON`, { cause });
  }
}
