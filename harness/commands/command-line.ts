import yargs, { type Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import { didYouMean } from './nearest.ts';

/** The declarations of a command's builder, as yargs stores them. The keys include positionals. */
interface Declared {
  /** Flags with an optional value, which must follow a `=`: --llvm, --llvm=-19. */
  readonly skipValidation: readonly string[];
  readonly key: Readonly<Record<string, unknown>>;
  readonly array: readonly string[];
  readonly boolean: readonly string[];
  readonly number: readonly string[];
  readonly narg: Readonly<Record<string, number>>;
  readonly choices: Readonly<Record<string, readonly string[]>>;
}

/** The internals of yargs that have no public types. */
interface Recorder {
  readonly getOptions: () => Declared;
  readonly getInternalMethods: () => {
    readonly getParserConfiguration: () => Readonly<Record<string, unknown>>;
    readonly getUsageInstance: () => {
      readonly getDescriptions: () => Readonly<Record<string, string>>;
    };
  };
}

/** A flag or a positional of a command, by its name without dashes. */
interface DescribedWord {
  readonly name: string;
  readonly describe: string;
  readonly takesValue: boolean;
  /** The valid words. An empty list when any word is valid. */
  readonly choices: readonly string[];
}

/** The parts of a command's module that declare its command line. */
export interface CommandShape {
  readonly command: string;
  readonly builder: (yargs: Argv) => unknown;
}

/** The grammar of a command: its usage line, for example `triage [file]`, and the flags of its builder. */
interface Grammar {
  readonly name: string;
  readonly declared: Declared;
  readonly descriptions: Readonly<Record<string, string>>;
  /** The names of flags, without dashes. */
  readonly flags: readonly string[];
  readonly positionals: readonly { readonly name: string; readonly isRequired: boolean }[];
  /** True when the last positional takes any number of words. */
  readonly isVariadic: boolean;
  /** True when the words after -- belong to another program. */
  readonly passesOn: boolean;
}

/** The words of a command line as the user typed them. */
interface Typed {
  readonly positionals: readonly string[];
  /** The value of each positional that was given, by name. A list for a positional that takes any number of words. */
  readonly named: ReadonlyMap<string, string | readonly string[]>;
  /** The command line for yargs, without a --, because yargs would drop the positionals after it. */
  readonly args: readonly string[];
  readonly flags: ReadonlyMap<string, readonly string[]>;
}

/** True when -h or --help stands before any --. */
export function wantsHelp(args: readonly string[]): boolean {
  return beforeDashes(args).some((arg) => arg === '--help' || arg === '-h');
}

/**
 * Checks the arguments of a command before yargs parses them. Every flag must be known, have its value, and be given only once
 * unless the flag is repeatable. Every required positional must be given. Where a list of valid words exists, a word must be in the
 * list. Returns the words as typed. Throws `usage` with the typed word and the valid words.
 */
export function checkCommandLine(args: readonly string[], command: CommandShape): Typed {
  const grammar = readGrammar(command);
  const typed = readTyped(args, grammar);
  for (const [flag, values] of typed.flags) checkFlag(flag, values, grammar);
  checkPositionals(typed.positionals, grammar);
  return {
    ...typed,
    named: nameWords(typed.positionals, grammar),
    args: joinDashes(args, grammar),
  };
}

/** Returns the flags and positionals of a command, with their help texts. Shell completion uses this. */
export function describeFlags(command: CommandShape): {
  readonly flags: readonly DescribedWord[];
  readonly positionals: readonly DescribedWord[];
} {
  const { flags, positionals, declared, descriptions } = readGrammar(command);
  const word = (name: string): DescribedWord => ({
    name,
    describe: (descriptions[name] ?? '').replace('__yargsString__:', ''),
    takesValue: !declared.boolean.includes(name),
    choices: declared.choices[name] ?? [],
  });
  return {
    flags: flags.filter((name) => name !== 'help' && name !== 'version').map(word),
    positionals: positionals.map(({ name }) => word(name)),
  };
}

/**
 * Returns the arguments as yargs parsed them, except that positionals and invalid numbers stay as typed. A range check can then
 * name an invalid number instead of NaN.
 */
export function keepTyped<T extends object>(argv: T, typed: Typed): T {
  const kept = Object.entries(argv).map(([key, value]) => {
    const words = typed.flags.get(kebab(key)) ?? [];
    if (Array.isArray(value)) {
      return [key, value.map((one, index) => (Number.isNaN(one) ? words[index] : one))];
    }
    return [key, Number.isNaN(value) ? words[0] : value];
  });
  return { ...Object.fromEntries(kept), ...Object.fromEntries(typed.named) } as T;
}

/** Maps the name of each positional to its words. */
function nameWords(words: readonly string[], grammar: Grammar): Typed['named'] {
  const { positionals, isVariadic } = grammar;
  return new Map(
    positionals.flatMap(({ name }, at): (readonly [string, string | readonly string[]])[] => {
      const word = words[at];
      if (word === undefined) return [];
      const takesAll = isVariadic && at === positionals.length - 1;
      return [[name, takesAll ? words.slice(at) : word]];
    }),
  );
}

/**
 * Returns the command line without --, which yargs reads as the end of the positionals. A word after -- that looks like a flag
 * gets the prefix `./`; keepTyped() restores the word. Returns the command line unchanged when the words after -- belong to
 * another program.
 */
function joinDashes(args: readonly string[], { passesOn }: Grammar): readonly string[] {
  const before = beforeDashes(args);
  if (passesOn || before.length === args.length) return args;
  const after = args.slice(before.length + 1);
  return [...before, ...after.map((word) => (word.startsWith('-') ? `./${word}` : word))];
}

function readGrammar(command: CommandShape): Grammar {
  const parser = yargs([]);
  command.builder(parser);
  const recorder = parser as unknown as Recorder;
  const declared = recorder.getOptions();
  const internal = recorder.getInternalMethods();
  const passesOn = internal.getParserConfiguration()['populate--'] === true;
  const descriptions = internal.getUsageInstance().getDescriptions();
  const [name = '', ...rest] = command.command.split(' ');
  const positionals = rest.map((word) => ({
    name: word.slice(1, -1).replace(/\.\.$/, ''),
    isRequired: word.startsWith('<'),
  }));
  const flags = Object.keys(declared.key).filter(
    (key) => !positionals.some((positional) => positional.name === key),
  );
  const isVariadic = rest.at(-1)?.endsWith('..]') ?? false;
  return { name, declared, descriptions, flags, positionals, isVariadic, passesOn };
}

function readTyped(
  args: readonly string[],
  grammar: Grammar,
): Pick<Typed, 'positionals' | 'flags'> {
  const flags = new Map<string, string[]>();
  const positionals: string[] = [];
  const queue = [...beforeDashes(args)];
  for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
    if (!isFlag(arg)) {
      positionals.push(arg);
      continue;
    }
    const { flag, values } = takeFlag(arg, queue, grammar);
    flags.set(flag, [...(flags.get(flag) ?? []), ...values]);
  }
  const after = args.slice(beforeDashes(args).length + 1);
  return { positionals: grammar.passesOn ? positionals : [...positionals, ...after], flags };
}

/** Reads one flag and its values. Values behind the flag are taken from the queue. */
function takeFlag(
  arg: string,
  queue: string[],
  grammar: Grammar,
): { readonly flag: string; readonly values: readonly string[] } {
  const [, dashes, word = '', given] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
  const flag = dashes === '--' ? findFlag(kebab(word), grammar) : undefined;
  if (flag === undefined) throw noSuchFlag(`${dashes}${word}`, grammar);
  const values = given === undefined ? [] : [given];
  if (grammar.declared.boolean.includes(flag)) {
    if (given === undefined && /^(true|false)$/.test(queue[0] ?? '')) queue.shift();
  } else if (given !== undefined || !grammar.declared.skipValidation.includes(flag))
    takeValues(flag, values, queue, grammar);
  return { flag, values };
}

/** Finds a flag by its name, or returns undefined. `no-cold` is a valid name because the flag `cold` takes no value. */
function findFlag(word: string, { flags, declared }: Grammar): string | undefined {
  const positive = word.replace(/^no-/, '');
  return flags.find(
    (flag) => flag === word || (flag === positive && declared.boolean.includes(flag)),
  );
}

/**
 * Takes the values of a flag from the queue of words. As in yargs, a negative number is a value, but no other word with a leading
 * dash is.
 */
function takeValues(flag: string, values: string[], queue: string[], { declared }: Grammar): void {
  const count = Math.max(declared.narg[flag] || 1, 1);
  while (values.length < count && queue[0] !== undefined && !isFlag(queue[0])) {
    values.push(queue.shift() ?? '');
  }
  if (values.length === count) return;
  const what = count === 1 ? 'a value' : `${count} values`;
  throw new HarnessError('usage', `--${flag} needs ${what}`);
}

function isFlag(arg: string): boolean {
  return /^-[^0-9]/.test(arg);
}

function noSuchFlag(typed: string, { name, flags }: Grammar): HarnessError {
  const known = flags.map((flag) => `--${flag}`);
  const positive = typed.replace(/^--no-/, '--');
  const next =
    positive !== typed && known.includes(positive)
      ? `; to do without ${positive}, leave it out`
      : didYouMean(typed, known) || `; splat ${name} --help lists them`;
  return new HarnessError('usage', `${typed}: no such flag${next}`);
}

function checkFlag(flag: string, values: readonly string[], { declared }: Grammar): void {
  if (declared.boolean.includes(flag)) {
    const wrong = values.find((value) => value !== 'true' && value !== 'false');
    if (wrong === undefined) return;
    throw new HarnessError(
      'usage',
      `--${flag}=${wrong}: this flag needs no value; true and false are allowed`,
    );
  }
  if (values.length > 1 && !declared.array.includes(flag)) {
    throw new HarnessError('usage', `--${flag} was given twice`);
  }
  if (values.some((value) => value.trim() === '')) {
    throw new HarnessError('usage', `--${flag}: its value is empty`);
  }
  for (const value of values) requireChoice(`--${flag}`, value, declared.choices[flag]);
}

function checkPositionals(
  typed: readonly string[],
  { name, positionals, isVariadic, declared }: Grammar,
): void {
  for (const [index, positional] of positionals.entries()) {
    const value = typed[index];
    const shown = positional.name.toUpperCase();
    if (value === undefined) {
      if (positional.isRequired) {
        const words = declared.choices[positional.name] ?? [];
        const which = words.length === 0 ? '' : `: ${words.join(' or ')}`;
        throw new HarnessError('usage', `${name} needs ${shown}${which}`);
      }
    } else if (value === '') throw new HarnessError('usage', `${name}: ${shown} is empty`);
    else requireChoice(name, value, declared.choices[positional.name]);
  }
  const extra = typed[positionals.length];
  if (extra === undefined || isVariadic) return;
  throw new HarnessError(
    'usage',
    `${name}: unexpected argument ${extra}; ${expects(name, positionals)}`,
  );
}

function expects(name: string, positionals: Grammar['positionals']): string {
  const shown = positionals.map((positional) => positional.name.toUpperCase()).join(' and ');
  return shown === '' ? `splat ${name} takes flags only` : `splat ${name} takes one ${shown}`;
}

function requireChoice(what: string, value: string, choices: readonly string[] | undefined): void {
  if (choices === undefined || choices.includes(value)) return;
  const hint = didYouMean(value, choices);
  throw new HarnessError('usage', `${what} ${value}: not one of ${choices.join(', ')}${hint}`);
}

function beforeDashes(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  return end < 0 ? args : args.slice(0, end);
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
