import type { Argv } from 'yargs';
import { exitCodes } from '../errors.ts';
import { workloads } from '../stress/workloads.ts';
import { toolNames } from '../trial/choose-tools.ts';
import { describeFlags } from './command-line.ts';
import type { CommandContext } from './context.ts';
import { fragmentNames } from './run-options.ts';
import { topicNames } from './topics.ts';

interface CompletionArguments {
  readonly shell: 'bash' | 'zsh';
}

/** The commands by name, as on the command line. */
type Commands = Readonly<
  Record<
    string,
    {
      readonly describe: string;
      readonly load: () => Promise<{
        readonly command: string;
        readonly builder: (yargs: Argv) => unknown;
      }>;
    }
  >
>;

/** A flag or a positional. `name` has no dashes. `choices` are the valid words, an empty list when a file may follow. */
interface Word {
  readonly name: string;
  readonly describe: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

interface Described {
  readonly name: string;
  readonly describe: string;
  readonly flags: readonly Word[];
  readonly positionals: readonly Word[];
}

/** Returns the command `splat completion`, which completes `commands` and itself. */
export function completionOf(commands: Commands) {
  return {
    command: 'completion <shell>',
    builder: (yargs: Argv): unknown =>
      yargs.positional('shell', {
        choices: ['bash', 'zsh'] as const,
        demandOption: true,
        describe: 'the shell that will read the script',
      }),
    run: async ({ shell }: CompletionArguments, context: CommandContext): Promise<number> => {
      const described = await describeAll(commands);
      context.stdout.write(shell === 'bash' ? bashScript(described) : zshScript(described));
      return exitCodes.clean;
    },
  };
}

async function describeAll(commands: Commands): Promise<readonly Described[]> {
  return Promise.all(
    Object.entries(commands).map(async ([name, { describe, load }]) => {
      const { flags, positionals } =
        name === 'completion' ? completionWords : withWords(name, describeFlags(await load()));
      return { name, describe, flags, positionals };
    }),
  );
}

const completionWords = {
  flags: [],
  positionals: [{ name: 'shell', describe: 'shell', takesValue: true, choices: ['bash', 'zsh'] }],
};

/** The valid words of flags that also take a path. yargs has no list of these words. */
const flagWords: Readonly<Record<string, readonly string[]>> = {
  workload: [
    ...workloads.map(({ name }) => name),
    ...toolNames,
    'igt',
    'igt:',
    'kunit:',
    'kselftest:',
  ],
  config: fragmentNames,
  kernel: ['debian:6.1', 'debian:7.3', 'debian:newest'],
};

/** The first words of commands that also take a path or a signature in the place of this word. */
const firstWords: Readonly<Record<string, readonly string[]>> = {
  nightly: ['plan', 'merge'],
  history: ['import', 'backup'],
};

/** Commands whose words are no files. The values of their flags may be files. */
const takeNoFiles = new Set(['known', 'cache', 'doctor', 'completion']);

function withWords(command: string, words: Pick<Described, 'flags' | 'positionals'>) {
  const flags = words.flags.map((word) => ({
    ...word,
    choices: flagWords[word.name] ?? word.choices,
  }));
  const positionals = words.positionals.map((word, index) => ({
    ...word,
    choices: (index === 0 ? firstWords[command] : undefined) ?? word.choices,
  }));
  return { flags, positionals };
}

function bashScript(commands: readonly Described[]): string {
  const branches = commands.map(({ name, flags, positionals }) => {
    const names = [...flags.map((flag) => `--${flag.name}`), '--help'].join(' ');
    const words = positionals.flatMap(({ choices }) => choices).join(' ');
    const files = takeNoFiles.has(name) ? '' : ' files=1';
    return `    ${name}) flags='${names}' words='${words}'${files} ;;`;
  });
  const values = new Map<string, string>();
  for (const { flags } of commands) {
    for (const { name, choices } of flags)
      if (choices.length > 0) values.set(name, choices.join(' '));
  }
  const choices = [...values].map(([flag, words]) => `    --${flag}) words='${words}' ;;`);
  return `\
# bash completion of splat; made by: splat completion bash
_splat() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} flags='' words='' files='' prefix=''
  COMPREPLY=()
  # bash takes the colon of debian:6.1 for a word of its own, and replaces only what follows it.
  if [ "$current" = : ] && [ "$COMP_CWORD" -ge 3 ]; then
    prefix=$previous: current=$previous: previous=\${COMP_WORDS[COMP_CWORD-2]}
  elif [ "$previous" = : ] && [ "$COMP_CWORD" -ge 4 ]; then
    prefix=\${COMP_WORDS[COMP_CWORD-2]}: previous=\${COMP_WORDS[COMP_CWORD-3]}
    current=$prefix$current
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} help' -- "$current"))
    return
  fi
  case "$previous" in
${choices.join('\n')}
  esac
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [ "\${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
    COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
    return
  fi
  case "\${COMP_WORDS[1]}" in
${branches.join('\n')}
    help) words='${[...topicNames, ...commands.map(({ name }) => name)].join(' ')}' ;;
  esac
  if [ "\${COMP_WORDS[1]}" = replay ] && [ -d "\${current%/*}/trials" ]; then
    COMPREPLY=($(compgen -P "\${current%/*}/" -W "$(ls "\${current%/*}/trials")" -- "\${current##*/}"))
    return
  fi
  case "$previous" in
    --*) files=1 ;;
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
    *)
      COMPREPLY=($(compgen -W "$words" -- "$current"))
      [ -z "$files" ] || COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _splat splat ./splat
`;
}

function zshScript(commands: readonly Described[]): string {
  const list = commands.map(({ name, describe }) => `    ${quoted(`${name}:${describe}`)}`);
  const branches = commands.map(({ name, flags, positionals }) => {
    const words = [
      ...flags.map(zshFlag),
      ...positionals.map(({ choices }, index) => quoted(`${index + 1}: :${action(choices)}`)),
    ];
    return `        ${name}) _arguments ${words.join(' ')} ;;`;
  });
  return `\
#compdef splat
# zsh completion of splat; made by: splat completion zsh
_splat() {
  local -a commands
  commands=(
${list.join('\n')}
    'help:explain a command or a topic'
  )
  _arguments -C '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
${branches.join('\n')}
        help) _arguments ${quoted(`1: :(${[...topicNames, ...commands.map(({ name }) => name)].join(' ')})`)} ;;
      esac ;;
  esac
}
_splat "$@"
`;
}

function zshFlag({ name, describe, takesValue, choices }: Word): string {
  const text = describe.replaceAll(/[[\]:]/g, ' ');
  return quoted(`*--${name}[${text}]${takesValue ? `: :${action(choices)}` : ''}`);
}

function action(choices: readonly string[]): string {
  return choices.length === 0 ? '_files' : `(${choices.join(' ').replaceAll(':', '\\:')})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
