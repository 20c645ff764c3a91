import type { Headers } from './mail-headers.ts';

/** The person who sent a mail, as named in the mail's header. */
export interface Sender {
  /**
   * The address, in lower case. A list that writes its own address into From (`Ann via demo-list <demo-list@x>`) has the person's
   * address in Reply-To; without Reply-To, the name stands here. Absent when the header has no address.
   */
  readonly sender?: string;
  /** The name, in lower case, without `via demo-list`. Absent when the header has no name. */
  readonly senderName?: string;
}

/** Reads the sender of a mail. The time is linear in the length of the fields, because anybody can send a long field. Pure. */
export function readSender(headers: Headers): Sender {
  const from = headers.text('from');
  const address = addressesIn(from).at(-1);
  const full = nameIn(from);
  const via = full.indexOf(' via ');
  const name = via < 0 ? full : full.slice(0, via);
  const person =
    via < 0
      ? address
      : (addressesIn(headers.text('reply-to')).find((one) => one !== address) ?? name);
  return {
    ...(person === undefined ? {} : { sender: person }),
    ...(name === '' ? {} : { senderName: name }),
  };
}

/** All addresses of a field, in lower case. When some addresses stand in angle brackets, only those. */
function addressesIn(field: string): readonly string[] {
  const words = field.toLowerCase().split(/(?=<)|[\s>"(),;]+/);
  const addresses = words.filter((word) => /^<?[^<@]{1,256}@[^@]/.test(word));
  const inBrackets = addresses.filter((word) => word.startsWith('<'));
  return inBrackets.length > 0 ? inBrackets.map((word) => word.slice(1)) : addresses;
}

/**
 * The name in front of the address, or in round brackets behind the address, in lower case: `ann author`
 * for `"Author, Ann" <ann@x>`.
 */
function nameIn(field: string): string {
  const at = field.lastIndexOf('<');
  const comment = field.indexOf('(');
  const close = field.indexOf(')', comment);
  const behind = comment < 0 || close < 0 ? '' : field.slice(comment + 1, close);
  const name = (at < 0 ? behind : field.slice(0, at)).replaceAll('"', '').toLowerCase().trim();
  const [family = '', given, ...more] = name.split(',');
  return given === undefined || more.length > 0 ? name : `${given.trim()} ${family.trim()}`;
}
