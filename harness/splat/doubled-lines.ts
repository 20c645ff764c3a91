/** The time that printk puts before a line. A logger's prefix before this time may differ between two copies of the line. */
const clock = /\[ {0,8}\d{1,9}\.\d{6}\]/;
/** After this many lines in a row without a second copy, the console counts as a console that prints each line once. */
const patience = 4;

/** A line from its time on. Undefined when the line has no time. */
function told(raw: string): string | undefined {
  const at = raw.search(clock);
  return at < 0 ? undefined : raw.slice(at);
}

/**
 * Finds the second copies on a console that prints each line twice: with the boot parameter `keep_bootcon`, two consoles of the
 * kernel write to the same port (kernel/printk/printk.c). A console counts as such when a line that may open a report comes twice
 * with the same time.
 */
export class DoubledLines {
  #last = '';
  #number = 0;
  #isDoubled = false;
  #single = 0;

  /** True when the line only repeats the line above. `number` is the number of the line in the log. */
  isCopy(raw: string, number: number, mayOpen: boolean): boolean {
    const above = number === this.#number + 1 ? this.#last : '';
    this.#number = number;
    this.#last = raw;
    if (!this.#isDoubled && !mayOpen) return false;
    if (above.slice(-8) === raw.slice(-8) && above !== '') {
      const text = told(raw);
      if (text !== undefined && text === told(above)) {
        this.#isDoubled = true;
        this.#single = 0;
        // A further line with this text is the first copy of another line.
        this.#last = '';
        return true;
      }
    }
    if (above !== '' && ++this.#single > patience) this.#isDoubled = false;
    return false;
  }
}
