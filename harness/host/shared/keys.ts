import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { HarnessError } from '../../errors.ts';
import { explainDiskError, isCode, readFaultIn } from '../disk.ts';

/** An Ed25519 key whose signatures this host trusts. */
export interface TrustedKey {
  /** The first 16 hex digits of the SHA-256 of the raw public key. */
  readonly id: string;
  readonly publicKey: KeyObject;
}

/** The key with which this host signs manifests. */
export interface SigningKey extends TrustedKey {
  readonly privateKey: KeyObject;
}

/** The first word of a line with a public key, such as `splat-ed25519 rFv3...Q8 lab`. */
const lineWord = 'splat-ed25519';
const largestKeyFileBytes = 64 * 1024;

/**
 * Makes a key pair. The private key goes to `file` (PKCS #8, PEM, readable by its owner only), the public key to `file`.pub as one
 * line. Returns that line and the id of the key. Throws `usage` when one of the two files exists, or when their folder does not
 * exist. No new file is left when this function throws.
 */
export async function makeKeyFiles(file: string): Promise<{ id: string; line: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const line = publicLine(publicKey);
  await writeNew(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600);
  try {
    await writeNew(`${file}.pub`, `${line}\n`, 0o644);
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  return { id: keyId(publicKey), line };
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  let isOurs = false;
  try {
    await using file = await open(path, 'wx', mode);
    isOurs = true;
    await file.writeFile(text);
  } catch (error) {
    if (isOurs) await rm(path, { force: true });
    if (isCode(error, 'EEXIST')) {
      throw new HarnessError('usage', `${path} exists already; name a new file`);
    }
    if (isCode(error, 'ENOENT')) {
      throw new HarnessError('usage', `${path} cannot be written: its folder does not exist`);
    }
    throw explainDiskError(error, path);
  }
}

/**
 * Reads the private key of `--store-key`. Throws `usage` for a file that cannot be read, for a file without an Ed25519 key, and
 * for a file that other users can read.
 */
export async function readSigningKey(path: string): Promise<SigningKey> {
  const { text, mode } = await readKeyFile('--store-key', path);
  if ((mode & 0o077) !== 0) {
    throw new HarnessError('usage', `--store-key ${path}: other users can read it; chmod 600 it`);
  }
  try {
    const privateKey = createPrivateKey(text);
    if (privateKey.asymmetricKeyType === 'ed25519') {
      const publicKey = createPublicKey(privateKey);
      return { id: keyId(publicKey), publicKey, privateKey };
    }
  } catch {
    // The error of OpenSSL does not name the file.
  }
  const next = 'splat store key FILE makes one';
  throw new HarnessError('usage', `--store-key ${path}: not a private Ed25519 key; ${next}`);
}

/**
 * Reads the public keys of `--store-trust`: one key on each line, in the form that `splat store key` writes to a .pub file. Words
 * after the key are ignored. Empty lines and lines that begin with # are skipped. Throws `usage` when the file cannot be read or
 * has no key. Throws `usage`, with the line number, for any other line.
 */
export async function readTrustedKeys(path: string): Promise<readonly TrustedKey[]> {
  const { text } = await readKeyFile('--store-trust', path);
  const keys = text.split('\n').flatMap((line, at) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const key = parsePublicLine(line);
    if (key !== undefined) return [key];
    const example = `${lineWord} KEY`;
    throw new HarnessError(
      'usage',
      `--store-trust ${path}, line ${at + 1}: not a public key such as ${example}, which splat store key writes to a .pub file`,
    );
  });
  if (keys.length > 0) return keys;
  throw new HarnessError('usage', `--store-trust ${path}: the file has no public key`);
}

function parsePublicLine(line: string): TrustedKey | undefined {
  const [word, x = ''] = line.trim().split(/\s+/);
  if (word !== lineWord || !/^[A-Za-z0-9_-]{43}$/.test(x)) return undefined;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x };
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  return { id: keyId(publicKey), publicKey };
}

async function readKeyFile(
  flag: string,
  path: string,
): Promise<{ readonly text: string; readonly mode: number }> {
  try {
    await using file = await open(path, 'r');
    const { size, mode } = await file.stat();
    if (size <= largestKeyFileBytes) return { text: await file.readFile('utf8'), mode };
  } catch (error) {
    throw new HarnessError('usage', `cannot read ${flag} ${path}: ${readFaultIn(error)}`, {
      cause: error,
    });
  }
  throw new HarnessError(
    'usage',
    `${flag} ${path}: larger than ${largestKeyFileBytes / 1024} KiB, and splat reads no larger file of keys`,
  );
}

/** Returns the raw public key: 32 bytes in base64url (RFC 8037). */
function rawKey(publicKey: KeyObject): string {
  return publicKey.export({ format: 'jwk' }).x ?? '';
}

function publicLine(publicKey: KeyObject): string {
  return `${lineWord} ${rawKey(publicKey)}`;
}

function keyId(publicKey: KeyObject): string {
  const raw = Buffer.from(rawKey(publicKey), 'base64url');
  return createHash('sha256').update(raw).digest('hex').slice(0, 16);
}

/** Signs a text and returns the signature in base64. */
export function signText(text: string, { privateKey }: SigningKey): string {
  return sign(null, Buffer.from(text), privateKey).toString('base64');
}

/** True when `signature` (base64) is this key's signature of the text. */
export function isSignedBy(text: string, signature: string, { publicKey }: TrustedKey): boolean {
  return verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'base64'));
}
