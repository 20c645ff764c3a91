const voidElements = new Set(['meta', 'img', 'br']);
const attributes =
  /^(?: (?:lang|charset|http-equiv|content|name|class|id|href|scope|aria-label|src|alt|open|min|max|high|value|tabindex|role|title|viewBox|d|cx|cy|r)(?:="[^"<]*")?)*$/;

/** Every mistake in the nesting of a page, and every element and attribute that our pages do not use. */
export function mistakesIn(text: string): readonly string[] {
  const mistakes: string[] = [];
  const open: string[] = [];
  for (const [, tag = ''] of text.replace('<!doctype html>', '').matchAll(/<([^>]*>?)/g)) {
    const [, slash, name = '', rest = ''] = /^(\/?)([a-z]+[1-3]?)((?: [^>]*)?)>$/.exec(tag) ?? [];
    if (
      !/^(html|head|body|meta|title|style|header|main|nav|figure|figcaption|svg|path|circle|script|h[123]|p|span|b|ul|li|dl|dt|dd|pre|code|a|article|div|table|thead|tbody|tr|th|td|details|summary|meter|img|br|footer)$/.test(
        name,
      )
    ) {
      mistakes.push(`no element of ours: <${tag}`);
    } else if (slash === '/') {
      const last = open.pop();
      if (last !== name) mistakes.push(`</${name}> ends <${last}>`);
    } else {
      if (!attributes.test(rest)) mistakes.push(`no attribute of ours: <${tag}`);
      if (!voidElements.has(name)) open.push(name);
    }
  }
  return [...mistakes, ...open.map((name) => `<${name}> has no end`)];
}
