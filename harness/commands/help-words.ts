import { HarnessError } from '../errors.ts';
import { didYouMean } from './nearest.ts';
import { topicNames, topics } from './topics.ts';

/** Returns the text of `splat help TOPIC`, or undefined for any other command line. The topic may have capital letters. */
export function topicOf(args: readonly string[]): string | undefined {
  const [name = '', topic = '', ...rest] = args;
  if (name !== 'help' || rest.length > 0 || !isTopic(topic)) return undefined;
  return topics[topic.toLowerCase()]?.();
}

function isTopic(word: string): boolean {
  return topicNames.includes(word.toLowerCase());
}

/** Throws `usage` when the word after `help` is neither a command nor a topic. */
export function requireHelpWord(word: string | undefined, commands: readonly string[]): void {
  if (word === undefined || word.startsWith('-') || commands.includes(word) || isTopic(word)) {
    return;
  }
  const hint = didYouMean(word, [...topicNames, ...commands]);
  const all = `; the topics are ${topicNames.join(', ')}; the commands are ${commands.join(', ')}`;
  throw new HarnessError('usage', `help ${word}: no such topic or command${hint || all}`);
}
